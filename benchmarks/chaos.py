"""Random kills of everything that runs the platform while jobs are done: what is lost, done twice, left over.

    make bench BENCH=chaos [QUICK=1]
    DATABASE_URL=postgres://… make bench BENCH=chaos

200 SIGKILLs (QUICK: 20), half a second apart, hit a job's process, the process that supervises it, the sentinel, the
readers and writers of the queue, a whole worker or the web server, while 40 jobs (QUICK: 6) of two seconds are
created and run by two workers of two processes. Leases last 30 seconds, as by default. Attempts are not limited and
follow at once, since each of these jobs is hit again and again, through no fault of its own. Goals: nothing lost,
completed twice, published twice or left over, and every job over within 60 seconds of the last kill.
"""

from __future__ import annotations

import sys

from benchmarks._engine import figure, table
from benchmarks._platform import database_name, is_quick, running_platform
from tests.system.chaos import Chaos

ALLOWED_S = 60


def main() -> None:
    jobs, kills = (6, 20) if is_quick(__doc__) else (40, 200)
    case = database_name()
    with running_platform(JOB_RETRY_S="0", JOB_MAX_ATTEMPTS="1000", JOB_WORKERS="2") as platform:
        chaos = Chaos(platform)
        chaos.run(jobs=jobs, kills=kills, every_s=0.5)
        recovery = chaos.settle(jobs)
        found = chaos.count(jobs)
    table([{"killed": kind, "times": count} for kind, count in chaos.kills.most_common()])
    for metric, value in found.items():
        figure("chaos", case, metric, value, "jobs" if metric != "orphans" else "processes")
    figure("chaos", case, "recovery_s", round(recovery, 1), "s")
    if any(found.values()) or recovery > ALLOWED_S:
        sys.exit("Something was lost, done twice, left over, or took too long.")


if __name__ == "__main__":
    main()
