"""Events are on disk before they are anywhere else, and stay there until the server has answered for them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import uuid
from contextlib import closing
from datetime import datetime

import pytest

from device_client._events import EventQueue


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.sqlite3"


@pytest.fixture
def make_queue(path):
    made: list[EventQueue] = []

    def make(max_events: int = 1000) -> EventQueue:
        made.append(EventQueue(path, max_events=max_events))
        return made[-1]

    yield make
    for queue in made:
        queue.close()


def add(queue: EventQueue, kind: str = "inferred", **data) -> str:
    return queue.add(kind, model="digits", version=None, data=data)


def all_of(queue: EventQueue) -> list[dict]:
    return [json.loads(event.body) for event in queue.oldest(limit=10_000, max_bytes=10**9)]


def test_an_event_is_what_the_contract_says(make_queue):
    queue = make_queue()
    version = str(uuid.uuid4())
    event_id = queue.add("inferred", model="digits", version=version, data={"label": "ö7", "score": 0.5})
    (event,) = all_of(queue)
    assert event.keys() == {"id", "type", "model", "version", "occurred_at", "data"}
    assert str(uuid.UUID(event["id"])) == event["id"] == event_id
    assert datetime.fromisoformat(event["occurred_at"]).tzinfo is not None
    assert (event["type"], event["model"], event["version"]) == ("inferred", "digits", version)
    assert event["data"] == {"label": "ö7", "score": 0.5}


def test_events_outlive_the_process_and_keep_their_order(make_queue):
    ids = [add(make_queue(), number=number) for number in range(3)]
    assert [event["id"] for event in all_of(make_queue())] == ids


def test_a_batch_is_bounded_in_events_and_bytes(make_queue):
    queue = make_queue()
    for number in range(10):
        add(queue, text="x" * 1000, number=number)
    assert len(queue.oldest(limit=4, max_bytes=10**9)) == 4
    assert len(queue.oldest(limit=100, max_bytes=4000)) == 3
    assert len(queue.oldest(limit=100, max_bytes=1)) == 1
    first, second = queue.oldest(limit=2, max_bytes=10**9)
    assert queue.oldest(limit=1, max_bytes=10**9, after=first.seq) == [second]


def test_removing_takes_what_was_sent_and_nothing_else(make_queue):
    queue = make_queue()
    ids = [add(queue) for _ in range(3)]
    queue.remove(queue.oldest(limit=2, max_bytes=10**9))
    assert [event["id"] for event in all_of(queue)] == ids[2:]
    assert len(queue) == 1


def test_a_full_queue_drops_the_oldest_inferences_first(make_queue, caplog):
    queue = make_queue(max_events=100)
    feedback = add(queue, "feedback")
    ids = [add(queue) for _ in range(400)]
    assert len(queue) <= 100 + 64
    kept = {event["id"] for event in all_of(queue)}
    assert feedback in kept
    assert ids[-1] in kept
    assert ids[0] not in kept
    assert "the event queue is full" in caplog.text
    assert len(make_queue(max_events=100)) == 100


def test_a_damaged_file_is_put_aside_and_a_new_one_begun(path, make_queue, caplog):
    path.write_bytes(b"this is no database" * 100)
    queue = make_queue()
    add(queue)
    assert len(queue) == 1
    assert len(list(path.parent.glob("events.sqlite3.damaged-*"))) == 1
    assert "is damaged" in caplog.text


def test_a_file_that_can_not_be_written_never_stops_the_application(path, make_queue, caplog):
    path.mkdir()
    queue = make_queue()
    for _ in range(8):
        assert uuid.UUID(add(queue))
    assert len(queue) == 0
    assert queue.oldest(limit=1, max_bytes=1) == []
    assert caplog.text.count("refuses") < 8


def test_two_processes_and_many_threads_add_without_losing_any(path, make_queue):
    code = (
        f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n"
        "from pathlib import Path\n"
        "from device_client._events import EventQueue\n"
        "queue = EventQueue(Path(sys.argv[1]), max_events=10_000)\n"
        "for _ in range(200): queue.add('inferred', model='digits', version=None, data={})\n"
        "queue.close()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    queue = make_queue(10_000)
    threads = [threading.Thread(target=lambda: [add(queue) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert process.wait(60) == 0
    assert len(queue) == 400


def test_a_process_that_is_killed_loses_no_event(path, make_queue):
    code = (
        f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n"
        "from pathlib import Path\n"
        "from device_client._events import EventQueue\n"
        "queue = EventQueue(Path(sys.argv[1]), max_events=10_000)\n"
        "while True:\n"
        "    print(queue.add('inferred', model='digits', version=None, data={}), flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(100)]
    os.kill(process.pid, signal.SIGKILL)
    said += process.stdout.read().split("\n")[:-1]
    process.stdout.close()
    process.wait()
    kept = {event["id"] for event in all_of(make_queue(10_000))}
    assert set(said) <= kept


def test_after_close_an_event_is_still_kept_and_the_file_closed(path, make_queue):
    queue = make_queue()
    queue.close()
    add(queue)
    assert queue._connection is None
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM events").fetchone() == (1,)
