"""Settings that can't work stop the start with one sentence, in a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(tmp_path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *(command or ("check",))],
        cwd=ROOT,
        env=base | {"DATA_DIR": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"STORAGE_URL": "ftp://x"}, "STORAGE_URL must look like s3://"),
        ({"STORAGE_URL": "s3://key:secret@host"}, "host or bucket is missing"),
        ({"STORAGE_URL": "s3://k:s@host/bucket?color=red"}, "Unknown: color"),
        ({"REDIS_URL": "http://localhost"}, "REDIS_URL must start with redis://"),
        ({"DATABASE_URL": "postgres://x@localhost/y"}, "SECRET_KEY must be set"),
        ({"DATABASE_URL": "mysql://x@localhost/y"}, "DATABASE_URL must start with postgres://"),
        ({"EMAIL_VERIFICATION": "maybe"}, "EMAIL_VERIFICATION must be optional, mandatory or none"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY must have at least 32 characters"),
        ({"DEVICE_REQUESTS_PER_MINUTE": "-1"}, "DEVICE_REQUESTS_PER_MINUTE must be 0 (no limit) or more"),
        ({"TENSORBOARD_MEMORY_MB": "-1"}, "TENSORBOARD_MEMORY_MB must be 0 or more. Received: -1"),
        ({"CLEAN_UP_AT": "3 am"}, "CLEAN_UP_AT must be a time of the day (UTC) as HH:MM, such as 03:00, or off"),
        ({"CLEAN_UP_AT": "24:00"}, "Received: '24:00'"),
        ({"ORPHAN_AGE_S": "3600"}, "ORPHAN_AGE_S must be 172800 … 315360000 seconds"),
        ({"ORPHAN_AGE_S": "604800", "JOB_MAX_SECONDS": "604800"}, "ORPHAN_AGE_S must be 1209600 …"),
        ({"JOB_MAX_SECONDS": "1.5"}, "JOB_MAX_SECONDS must be a whole number. Received: '1.5'"),
        ({"BASE_URL": "bantam.example"}, "BASE_URL must be an http(s) address"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path, environment, sentence):
    done = start(tmp_path, **environment)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_embedded_default_needs_no_environment_and_keeps_its_key(tmp_path):
    assert start(tmp_path).returncode == 0
    key = (tmp_path / "secret_key").read_text()
    assert len(key) >= 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
    assert start(tmp_path).returncode == 0
    assert (tmp_path / "secret_key").read_text() == key


def test_the_queue_waits_longer_than_any_job_and_sqlite_for_who_writes(tmp_path):
    """django-q2 sends again what was not done after `retry`, and ends what takes longer than `timeout`."""
    script = """
import json
from django.conf import settings
from django.db import connection
with connection.cursor() as cursor:
    pragmas = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "busy_timeout")]
queue = [settings.Q_CLUSTER[name] for name in ("retry", "timeout")]
print(json.dumps([*pragmas, connection.transaction_mode, *queue]))
"""
    done = start(tmp_path, "shell", "-v0", "-c", script, JOB_MAX_SECONDS="7200")
    journal, wait_ms, mode, retry, timeout = json.loads(done.stdout.splitlines()[-1])
    assert (journal, mode) == ("wal", "IMMEDIATE")
    assert wait_ms >= 5000
    assert retry > timeout > 7200
    assert {type(retry), type(timeout)} == {int}
