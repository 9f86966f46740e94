"""How soon 500 open pages hear what 50 running jobs say, from one web process.

    make bench BENCH=live [QUICK=1]
    DATABASE_URL=postgres://… REDIS_URL=redis://… make bench BENCH=live

50 jobs (QUICK: 5) run at the same time, each as a process of its own that tells its clock once a second; 500 websockets
(QUICK: 20), ten a job, note when they hear of it. All of it, with the 500 clients, shares this machine. Goal: the 95th
percentile below 1.5 s, and no event missing, twice or out of order on any socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

import numpy as np
import websockets
from websockets.typing import Origin

from benchmarks._engine import figure, table
from benchmarks._platform import database_name, is_quick, running_platform
from tests.jobs.processes import Platform, until

SECONDS = 60


def main() -> None:
    jobs, clients, seconds = (5, 20, 10) if is_quick(__doc__) else (50, 500, SECONDS)
    with running_platform(JOB_WORKERS=str(jobs)) as platform:
        platform.start_worker()
        steps: list[list[Any]] = [["log", "info", "at work"], ["repeat", 900, [["clock"], ["sleep", 1]]]]
        ids = [platform.create(*steps) for _ in range(jobs)]
        until(lambda: all(platform.job(job)["last_sequence"] > 2 for job in ids), "all jobs at work", 300)
        heard = asyncio.run(listen(platform, ids, clients, seconds))
    delays, gaps = [delay for found, _ in heard for delay in found], sum(wrong for _, wrong in heard)
    p50, p95, most = (float(value) for value in np.percentile(delays, [50, 95, 100]))
    case = f"{clients} clients, {jobs} jobs, {database_name()}"
    row = {"case": case, "lines": len(delays), "p50 s": p50, "p95 s": p95, "longest s": most, "gaps": gaps}
    table([{name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}])
    figure("live", case, "delay_p50_s", round(p50, 3), "s")
    figure("live", case, "delay_p95_s", round(p95, 3), "s")
    figure("live", case, "gaps", gaps, "events")
    if gaps or p95 >= 1.5 or len(delays) < clients * seconds / 2:
        sys.exit("Too late, or something is missing.")


async def listen(platform: Platform, jobs: list[str], clients: int, seconds: float) -> list[tuple[list[float], int]]:
    """Of each client: the delays of the lines it heard in the `seconds` after all had connected, and its gaps."""
    ready = Counter[str]()
    start: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def one(job: str) -> tuple[list[float], int]:
        # What was said before is not asked for: it would count as late.
        last = await asyncio.to_thread(lambda: platform.job(job)["last_sequence"])
        address = f"ws://127.0.0.1:{platform.port}/ws/o/acme/p/reader/jobs/{job}/?after={last}"
        delays, gaps = [], 0
        async with websockets.connect(
            address,
            additional_headers={"Cookie": f"sessionid={platform.session}"},
            origin=Origin(f"http://127.0.0.1:{platform.port}"),
            open_timeout=60,
        ) as socket:
            ready["connected"] += 1
            if ready["connected"] == clients:
                start.set_result(time.time())
            async for text in socket:
                now = time.time()
                for event in json.loads(text).get("events", []):
                    gaps += event["sequence"] != last + 1
                    last = event["sequence"]
                    message = str(event["data"].get("message"))
                    if start.done() and message.startswith("clock ") and (said := float(message[6:])) > start.result():
                        delays.append(now - said)
                if start.done() and now > start.result() + seconds:
                    return delays, gaps
        return delays, gaps + 1  # closed before its time

    return await asyncio.gather(*(one(jobs[number % len(jobs)]) for number in range(clients)))


if __name__ == "__main__":
    main()
