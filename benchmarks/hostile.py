"""What becomes of hostile code and files at each level of the sandbox, and what a level costs at each start.

    make bench BENCH=hostile [QUICK=1]

Every case of tests/jobs/hostile/corpus.py is a job of a worker in this process, on SQLite in a folder of its own. The
table says how each ended, with which code, after how many seconds; a case that got through, or touched anything
outside, makes the benchmark fail. QUICK leaves out what needs TensorFlow. Then the time from the start to the end of a
child that does nothing is measured, 20 times a level (QUICK: 5); the sandbox adds the difference to SANDBOX=off.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description="What becomes of hostile code and files.")
    parser.add_argument("--data", type=Path, help="not used: this benchmark makes its own files")
    parser.add_argument("--quick", action="store_true", help="without what needs TensorFlow")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="hostile-", dir=ROOT / "var") as folder:
        access = _platform(Path(folder))
        rows, failed = _corpus(access, Path(folder), quick=quick)
        _print(rows)
        for level in ("bubblewrap", "landlock"):
            found = [row for row in rows if row["level"] == level]
            if found:
                held = sum(row["held"] == "yes" for row in found)
                _figure(level, "held", held / len(found), "share")
        for name, milliseconds in _launches(Path(folder), 5 if quick else ROUNDS).items():
            _figure(name, "launch", round(milliseconds, 1), "ms")
    if failed:
        sys.exit(f"Not held: {', '.join(failed)}")


def _platform(folder: Path) -> Any:
    """An empty platform in `folder` with one project; returns what its developer is granted."""
    os.environ.update(DATA_DIR=str(folder), DATABASE_URL=f"sqlite:///{folder / 'db.sqlite3'}", LOG_LEVEL="ERROR")
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    from apps.accounts.models import Organization, Role, User
    from apps.projects.access import Access
    from apps.projects.models import Project

    organization = Organization.objects.create(name="Acme", slug="acme", quota_bytes=2**40)
    project = Project.across_tenants.create(organization=organization, name="Reader", slug="reader")
    user = User.objects.create_user("developer@example.com", None)
    return Access(user, organization, Role.DEVELOPER, project)


def _levels() -> list[str]:
    from django.conf import settings

    from apps.jobs.sandbox.levels import standing

    found = []
    for level in ("bubblewrap", "landlock"):
        settings.SANDBOX = level
        if standing().level == level:
            found.append(level)
        else:
            print(f"Left out: {standing().why}", file=sys.stderr)
    return found


def _corpus(access: Any, folder: Path, *, quick: bool) -> tuple[list[dict[str, Any]], list[str]]:
    from django.conf import settings

    from tests.jobs.hostile.corpus import ATTACKS, FILES, Attack, HostileFile
    from tests.jobs.hostile.world import train_folder, world

    rows, failed = [], []
    for level in _levels():
        settings.SANDBOX = level
        cases: list[Attack | HostileFile] = [*ATTACKS, *FILES]
        for case in cases:
            if quick and case.needs_tensorflow:
                continue
            with world(access) as around:
                if isinstance(case, Attack):
                    job = around.attack(case)
                else:
                    more = train_folder(folder, case.name) if case.needs_tensorflow else {}
                    job = around.open(case, **more)
                outcome, codes = str(job.state), {job.error_code}
                if job.result and job.result.get("ok") is False:
                    outcome, codes = "refused", {problem["code"] for problem in job.result["problems"]}
                held = outcome in {"failed", "refused"} and codes <= case.codes
                try:
                    around.check(job)
                except AssertionError as error:
                    held = False
                    print(f"{case.name}: {error}", file=sys.stderr)
                if not held:
                    failed.append(f"{case.name} ({level})")
                seconds = round(around.seconds[case.name], 2)
            code = ", ".join(sorted(codes))
            rows.append(
                {"level": level, "file": case.name, "outcome": outcome, "code": code, "seconds": seconds,
                 "held": "yes" if held else "NO"}
            )  # fmt: skip
    return rows, failed


def _launches(folder: Path, rounds: int) -> dict[str, float]:
    """Milliseconds, the median of `rounds`, from the start to the end of a child that does nothing; by level."""
    from django.conf import settings

    from apps.jobs import child
    from apps.jobs.handlers import Folder
    from apps.jobs.sandbox.folder import hand_over
    from apps.jobs.sandbox.levels import standing
    from apps.jobs.sandbox.limits import limits_for

    engine = folder / "engine"
    (engine / "ml").mkdir(parents=True)
    for name in ("__init__.py", "__main__.py"):
        (engine / "ml" / name).touch()
    child.ENGINE_PATH = engine
    place = Folder(folder / "jobs" / "launch")
    for path in (place.in_, place.out, place.work):
        path.mkdir(parents=True)
    levels = ["off", *_levels()]
    found: dict[str, list[float]] = {level: [] for level in levels}
    limits = limits_for("check", time_limit_s=60)
    for level in levels * (rounds + 1):  # the first round warms up
        settings.SANDBOX = level
        method = standing().method
        hand_over(place, method.uid)
        started = time.perf_counter()
        with child.Child([], place, method=method, limits=limits, group=None) as running:
            os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
            found[level].append((time.perf_counter() - started) * 1000)
            if running.exit_status() != 0:
                raise RuntimeError(f"The child that does nothing failed at the level {level}.")
    return {level: median(values[1:]) for level, values in found.items()}


def _print(rows: list[dict[str, Any]]) -> None:
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0]}
    for row in ({name: name for name in widths}, *rows):
        print("  ".join(f"{row[name]!s:<{width}}" for name, width in widths.items()).rstrip(), flush=True)


def _figure(case: str, metric: str, value: float, unit: str) -> None:
    print(json.dumps({"bench": "hostile", "case": case, "metric": metric, "value": value, "unit": unit}), flush=True)


if __name__ == "__main__":
    main()
