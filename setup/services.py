"""The services that the second run of the tests talks to: PostgreSQL, Redis, and an S3 server that it starts itself."""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
import redis

from setup import ROOT
from setup.failure import SetupError

DATABASE_URL = "postgres://postgres@127.0.0.1:5432/bantam"
REDIS_URL = "redis://127.0.0.1:6379/13"  # a database number that nothing else is likely to use: tests empty it
BUCKET = "bantam"


def service_urls(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of the run on services; TEST_DATABASE_URL and TEST_REDIS_URL change where they lie."""
    return {
        "DATABASE_URL": environment.get("TEST_DATABASE_URL") or DATABASE_URL,
        "REDIS_URL": environment.get("TEST_REDIS_URL") or REDIS_URL,
        "SECRET_KEY": secrets.token_urlsafe(50),
    }


def unreachable(urls: Mapping[str, str]) -> str | None:
    """Return None when PostgreSQL and Redis answer, else a sentence saying which one does not and why."""
    return postgres_silence(urls["DATABASE_URL"]) or redis_silence(urls["REDIS_URL"])


def postgres_silence(url: str) -> str | None:
    """Return why PostgreSQL does not answer at `url`, or None when it does."""
    try:
        # Django makes the test database itself, from the one that every server has.
        psycopg.connect(url, dbname="postgres", connect_timeout=3).close()
    except psycopg.Error as error:
        return f"PostgreSQL does not answer at {url} (TEST_DATABASE_URL): {str(error).splitlines()[0]}"
    return None


def redis_silence(url: str) -> str | None:
    """Return why Redis does not answer at `url`, or None when it does."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3) as client:
            client.ping()
    except redis.RedisError as error:
        return f"Redis does not answer at {url} (TEST_REDIS_URL): {error}"
    return None


@contextmanager
def s3_server() -> Iterator[str]:
    """Run an S3-compatible server (moto) on a free loopback port with an empty bucket; yields its STORAGE_URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = ROOT / "var" / "log" / "s3-server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    # As elsewhere, what pages of another origin may do is the bucket's to say.
    environment = {**os.environ, "MOTO_DISABLE_GLOBAL_CORS": "true"}
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        _make_bucket(port, server)
        yield f"s3://test:test@127.0.0.1:{port}/{BUCKET}?region=us-east-1&secure=false"
    finally:
        server.terminate()
        server.wait()


def _make_bucket(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("PUT", f"/{BUCKET}")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise SetupError("The S3 server of the tests did not start. Its output is in var/log/s3-server.log.")
