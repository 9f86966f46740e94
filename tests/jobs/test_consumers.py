"""The live view of a job over a real websocket consumer, with the middleware that the server uses."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import transaction
from django.db.backends.utils import CursorWrapper
from django.test import Client

from apps.accounts.models import Membership, User
from apps.jobs import consumers, feed
from apps.jobs.events import NewEvent
from apps.jobs.leases import Lease, Progress, held, keep
from apps.jobs.models import Job, JobEvent
from apps.jobs.states import move
from tests.jobs.conftest import begin, log_line
from tests.jobs.websocket import Socket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(make_job):
    return make_job()


@pytest.fixture
def connect(project):
    """`connect(job, user, after=…)` → a connected websocket, as a browser signed in as `user` would open it."""

    async def open_socket(job: Job, user: Any, query: str = "") -> Socket:
        session = None
        if user is not None:
            client = Client()
            await sync_to_async(client.force_login)(user)
            session = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
        path = f"/ws/o/{project.organization.slug}/p/{project.slug}/jobs/{job.pk}/"
        socket = Socket(path, query, session)
        await socket.connect()
        return socket

    return open_socket


async def heard(socket: Socket, until: str) -> list[dict[str, Any]]:
    """Every message up to the one that brings the job's state `until`."""
    messages = []
    while True:
        messages.append(await socket.receive())
        if messages[-1]["type"] == "state" and messages[-1]["job"]["state"] == until:
            return messages


def sequences(messages: list[dict[str, Any]]) -> list[int]:
    return [event["sequence"] for message in messages if message["type"] == "events" for event in message["events"]]


@transaction.atomic
def finish(lease: Lease) -> None:
    move(held(lease), Job.State.SUCCEEDED)


async def test_a_watcher_gets_everything_and_is_let_go_at_the_end(job, viewer, connect):
    socket = await connect(job, viewer)
    first = await heard(socket, "queued")
    assert sequences(first) == [1]
    lease = await database_sync_to_async(begin)(job)
    second = await heard(socket, "running")
    event = NewEvent(JobEvent.Kind.METRICS, {"step": 5, "values": {"trainer/loss": 0.25}})
    await database_sync_to_async(keep)(lease, [event], Progress(0.5, "training", 60))
    third = [await socket.receive(), await socket.receive()]
    assert third[0]["events"][0]["data"] == event.data
    state = third[1]["job"]
    assert (state["progress"], state["progress_message"], state["seconds_left"]) == (0.5, "training", 60)
    await database_sync_to_async(finish)(lease)
    last = await heard(socket, "succeeded")
    assert sequences([*first, *second, *third, *last]) == [1, 2, 3, 4]
    assert await socket.close_code() == 1000


async def test_whoever_comes_back_gets_what_they_missed(job, viewer, connect):
    lease = await database_sync_to_async(begin)(job)
    await database_sync_to_async(keep)(lease, [log_line(str(index)) for index in range(1200)])
    await database_sync_to_async(finish)(lease)
    socket = await connect(job, viewer, "after=100")
    messages = await heard(socket, "succeeded")
    assert sequences(messages) == list(range(101, 1204))
    assert max(len(message.get("events", [])) for message in messages) == 500
    assert await socket.close_code() == 1000


async def test_any_number_of_watchers_costs_one_query_a_look(job, viewer, connect, monkeypatch):
    monkeypatch.setattr(consumers, "CHECK_ACCESS_S", 3600.0)
    sockets = [await connect(job, viewer) for _ in range(200)]
    for socket in sockets:
        await heard(socket, "queued")
    asked: list[str] = []
    execute = CursorWrapper.execute  # of any connection: each task has its own

    def counted(self, sql, params=None):
        asked.append(sql)
        return execute(self, sql, params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", counted)
        await asyncio.sleep(3)
    assert 2 <= len(asked) <= 7
    assert all("jobs_jobevent" in sql for sql in asked)
    lease = await database_sync_to_async(begin)(job)
    await database_sync_to_async(finish)(lease)
    for socket in sockets:
        assert sequences(await heard(socket, "succeeded")) == [2, 3]
        assert await socket.close_code() == 1000
    assert not any(looker.feeds for looker in feed._lookers.values())


async def test_any_number_of_jobs_costs_one_query_a_look(make_job, viewer, connect, monkeypatch):
    monkeypatch.setattr(consumers, "CHECK_ACCESS_S", 3600.0)
    jobs = [await database_sync_to_async(make_job)() for _ in range(8)]
    sockets = [await connect(job, viewer) for job in jobs]
    for socket in sockets:
        await heard(socket, "queued")
    asked: list[str] = []
    look = feed._news_after

    async def counted(sequences):
        asked.append(sequences)
        return await look(sequences)

    monkeypatch.setattr(feed, "_news_after", counted)
    await asyncio.sleep(2.5)
    assert 1 <= len(asked) <= 6
    assert {job for sequences in asked for job in sequences} == {job.pk for job in jobs}
    for socket in sockets:
        await socket.disconnect()


async def test_a_job_that_says_much_keeps_no_other_waiting(make_job, viewer, connect, monkeypatch):
    monkeypatch.setattr(feed, "MOST_READ", 20)
    monkeypatch.setattr("apps.jobs.events.wake", lambda job_id: None)
    loud, quiet = [await database_sync_to_async(make_job)() for _ in range(2)]
    sockets = [await connect(job, viewer) for job in (loud, quiet)]
    for socket in sockets:
        await heard(socket, "queued")
    lease = await database_sync_to_async(begin)(loud)
    await database_sync_to_async(keep)(lease, [log_line(str(index)) for index in range(200)])
    await database_sync_to_async(begin)(quiet)
    start = asyncio.get_running_loop().time()
    await heard(sockets[1], "running")
    assert asyncio.get_running_loop().time() - start < 2.5
    found = sequences(await heard(sockets[0], "running"))
    while found[-1] < 202:
        found += sequences([await sockets[0].receive()])
    assert found == list(range(2, 203))
    for socket in sockets:
        await socket.disconnect()


async def test_who_comes_later_or_is_far_behind_gets_the_same(job, viewer, connect, monkeypatch):
    monkeypatch.setattr(feed, "RECENT", 5)
    early = await connect(job, viewer)
    first = await heard(early, "queued")
    lease = await database_sync_to_async(begin)(job)
    await heard(early, "running")
    await database_sync_to_async(keep)(lease, [log_line(str(index)) for index in range(20)])
    late = await connect(job, viewer)
    assert sequences([*first, *await heard(late, "running")])[0] == 1
    await database_sync_to_async(finish)(lease)
    assert sequences(await heard(early, "succeeded")) == list(range(3, 24))
    assert sequences(await heard(late, "succeeded")) == [23]


async def test_a_lost_wake_up_costs_a_second(job, viewer, connect, monkeypatch):
    monkeypatch.setattr("apps.jobs.events.wake", lambda job_id: None)
    socket = await connect(job, viewer)
    await heard(socket, "queued")
    await database_sync_to_async(begin)(job)
    start = asyncio.get_running_loop().time()
    await heard(socket, "running")
    assert asyncio.get_running_loop().time() - start < 3
    await socket.disconnect()


async def test_without_an_account_nothing_is_shown(job, connect):
    assert await (await connect(job, None)).close_code() == 4401


async def test_a_stranger_is_told_that_there_is_no_such_job(job, stranger, connect):
    assert await (await connect(job, stranger)).close_code() == 4404


async def test_a_job_of_another_project_is_not_there(job, owner, connect, project):
    other = await database_sync_to_async(type(project).across_tenants.create)(
        organization=project.organization, name="Other", slug="other"
    )
    await database_sync_to_async(Job.across_tenants.filter(pk=job.pk).update)(project=other)
    assert await (await connect(job, owner)).close_code() == 4404


async def test_who_leaves_the_organization_stops_seeing_its_jobs(job, viewer, connect, monkeypatch):
    monkeypatch.setattr(consumers, "CHECK_ACCESS_S", 0.0)
    socket = await connect(job, viewer)
    await heard(socket, "queued")
    await database_sync_to_async(Membership.across_tenants.filter(user=viewer).delete)()
    assert await socket.close_code() == 4404


def sign_out(cookie: str) -> None:
    client = Client()
    client.cookies.load(cookie)
    assert client.post("/accounts/logout/").status_code == 302


def change_password(user: User) -> None:
    user.set_password("another-long-test-password")
    user.save()


def close_account(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


async def test_who_signs_out_stops_seeing_the_job_and_another_browser_of_theirs_does_not(
    job, viewer, connect, monkeypatch
):
    monkeypatch.setattr(consumers, "CHECK_ACCESS_S", 0.0)
    here, elsewhere = await connect(job, viewer), await connect(job, viewer)
    await heard(here, "queued")
    await heard(elsewhere, "queued")
    await sync_to_async(sign_out)(here.session)
    assert await here.close_code() == 4401
    await database_sync_to_async(begin)(job)
    await heard(elsewhere, "running")
    await elsewhere.disconnect()


@pytest.mark.parametrize("end_sessions", [change_password, close_account])
async def test_a_changed_password_or_a_closed_account_ends_every_live_view(
    end_sessions, job, viewer, connect, monkeypatch
):
    monkeypatch.setattr(consumers, "CHECK_ACCESS_S", 0.0)
    socket = await connect(job, viewer)
    await heard(socket, "queued")
    await database_sync_to_async(end_sessions)(viewer)
    assert await socket.close_code() == 4401


@pytest.mark.parametrize("after", ["x", "-1", "", "1e9", "²"])
async def test_a_number_that_is_none_means_from_the_start(job, viewer, connect, after):
    socket = await connect(job, viewer, f"after={quote(after)}")
    assert sequences(await heard(socket, "queued")) == [1]
    await socket.disconnect()
