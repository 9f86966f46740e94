"""A worker's canary, and what is concluded from its silence. Processes that are really stuck: test_processes.py."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from apps.jobs import watchdog as module
from apps.jobs import workers
from apps.jobs.broker import WorkerBroker
from apps.jobs.leases import take
from apps.jobs.models import Worker
from apps.jobs.sweep import ask_for_work
from apps.jobs.watchdog import Watchdog, sing

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker():
    yield workers.join(processes=1, sandbox="bubblewrap")
    workers.leave()


@pytest.fixture
def clock(monkeypatch, settings):
    settings.JOB_CANARY_S = 60

    class Clock:
        now = 1000.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class TestWatchdog:
    def test_a_canary_that_sings_is_followed_by_another_one_a_minute_later(self, worker, clock):
        dog = Watchdog(worker.pk)
        assert not dog.is_stuck()
        assert OrmQ.objects.filter(key=workers.own_queue()).count() == 1
        sing(str(worker.pk))
        for _ in range(15):
            clock.now += 4
            assert not dog.is_stuck()
        assert OrmQ.objects.count() == 2

    def test_silence_while_a_process_is_free_means_stuck(self, worker, clock):
        dog = Watchdog(worker.pk)
        dog.is_stuck()
        clock.now += 3
        assert not dog.is_stuck()
        clock.now += 59
        assert not dog.is_stuck()
        clock.now += 3
        assert dog.is_stuck()
        dog.note_restart()
        worker.refresh_from_db()
        assert worker.restarts == 1
        clock.now += 61
        assert not dog.is_stuck()
        assert OrmQ.objects.count() == 2

    def test_silence_while_all_processes_are_at_work_means_nothing(self, worker, clock, make_job):
        dog = Watchdog(worker.pk)
        dog.is_stuck()
        make_job()
        assert take()[0].worker_id == worker.pk
        for _ in range(50):
            clock.now += 4
            assert not dog.is_stuck()

    def test_a_database_that_does_not_answer_restarts_nothing(self, worker, clock, monkeypatch):
        dog = Watchdog(worker.pk)
        dog.is_stuck()
        clock.now += 3
        dog.is_stuck()
        clock.now += 100
        monkeypatch.setattr(workers, "busy", lambda worker: 1 / 0)
        assert not dog.is_stuck()
        monkeypatch.undo()


class TestBroker:
    def test_it_is_the_one_that_the_queue_uses(self):
        assert isinstance(get_broker(), WorkerBroker)

    def test_it_takes_the_oldest_message_of_all_and_its_own_but_no_other_worker_s(self, worker):
        broker = get_broker()
        for key in ("worker-of-another", broker.list_key, workers.own_queue()):
            get_broker(key).enqueue(SignedPackage.dumps({"key": key}))
        taken = [SignedPackage.loads(broker.dequeue()[0][1])["key"] for _ in range(2)]
        assert taken == [broker.list_key, workers.own_queue()]
        assert broker.dequeue() is None

    def test_a_taken_message_is_locked_until_it_is_acknowledged(self):
        broker = get_broker()
        broker.enqueue(SignedPackage.dumps({}))
        [(pk, _)] = broker.dequeue()
        assert OrmQ.objects.get().lock > timezone.now()
        broker.acknowledge(pk)
        assert not OrmQ.objects.exists()


class TestWorkers:
    def test_one_that_is_silent_for_long_is_forgotten_with_its_messages(self, worker):
        get_broker(workers.own_queue()).enqueue("x")
        Worker.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=11))
        workers.forget_gone()
        assert not Worker.objects.exists()
        assert not OrmQ.objects.exists()

    def test_it_comes_back_when_it_beats_again(self, worker):
        Worker.objects.all().delete()
        workers.beat()
        assert Worker.objects.get().pk == worker.pk

    def test_a_free_worker_asks_for_work_when_no_message_is_left(self, worker, make_job):
        job = make_job()
        OrmQ.objects.all().delete()
        ask_for_work()
        assert not OrmQ.objects.exists()  # it has only just been queued
        type(job).across_tenants.update(ready_at=timezone.now() - timedelta(seconds=4))
        ask_for_work()
        ask_for_work()
        assert OrmQ.objects.count() == 1
        take()
        make_job()
        OrmQ.objects.all().delete()
        type(job).across_tenants.filter(state="queued").update(ready_at=timezone.now() - timedelta(seconds=4))
        ask_for_work()
        assert not OrmQ.objects.exists()  # its only process is busy
