"""The nightly clean-up: one row of the schedule, slices through the queue, and what operators see of it."""

from __future__ import annotations

import threading
from datetime import datetime, time, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler
from django_q.signing import SignedPackage
from uuid_utils.compat import uuid7

from apps.jobs import housekeeping, nightly, shutdown
from apps.jobs.nightly import NAME, clean_up, keep_schedule
from apps.projects import cleaning, cleaning_record
from apps.projects.cleaning import Account, Sum
from apps.projects.models import CleanUp
from tests.jobs.test_queue_report import samples
from tests.projects.conftest import local  # noqa: F401
from tests.projects.stored import keys_of, put

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(make_user):
    return make_user("operator", is_staff=True, is_superuser=True)


@pytest.fixture
def orphans(local, project, settings, monkeypatch) -> list[str]:  # noqa: F811
    """Five, each a batch of its own."""
    settings.ORPHAN_AGE_S = -3600
    monkeypatch.setattr(cleaning, "BATCH", 1)
    return sorted(put(f"projects/{project.pk}/uploads/{uuid7()}") for _ in range(5))


def message() -> dict:
    """The one that waits in the queue, taken out of it as a worker does."""
    [(pk, payload)] = get_broker().dequeue()
    get_broker().acknowledge(pk)
    task: dict = SignedPackage.loads(payload)
    return task


class TestSchedule:
    def test_there_is_one_row_however_often_a_worker_starts(self, settings):
        settings.CLEAN_UP_AT = time(3, 30)
        keep_schedule()
        keep_schedule()
        row = Schedule.objects.get(name=NAME)
        assert (row.schedule_type, row.repeats, row.func) == (Schedule.DAILY, -1, "apps.jobs.nightly.clean_up")
        assert (row.next_run.hour, row.next_run.minute) == (3, 30)
        assert timezone.now() < row.next_run <= timezone.now() + timedelta(days=1)

    def test_it_follows_the_setting_and_goes_with_it(self, settings):
        keep_schedule()
        before = Schedule.objects.get()
        settings.CLEAN_UP_AT = time(23, 59)
        keep_schedule()
        row = Schedule.objects.get()
        assert (row.pk, row.next_run.hour, row.next_run.minute) == (before.pk, 23, 59)
        settings.CLEAN_UP_AT = None
        keep_schedule()
        keep_schedule()
        assert not Schedule.objects.exists()

    def test_rows_too_many_and_changed_ones_are_put_right_and_others_left_alone(self):
        other = Schedule.objects.create(name="other", func="x.y")
        for _ in range(2):
            Schedule.objects.create(name=NAME, func="x.y", schedule_type=Schedule.ONCE)
        keep_schedule()
        row = Schedule.objects.exclude(pk=other.pk).get()
        assert (row.func, row.schedule_type) == (nightly.TASK, Schedule.DAILY)

    def test_a_row_that_somebody_deletes_comes_back_with_the_housekeeping(self):
        keep_schedule()
        Schedule.objects.all().delete()
        housekeeping._chores["keep the schedule of the clean-up"].do()
        assert Schedule.objects.get().func == nightly.TASK

    def test_a_night_that_was_missed_is_made_up_for_once(self, monkeypatch):
        monkeypatch.setattr("django_q.scheduler.close_old_django_connections", lambda: None)  # the test's own is one
        keep_schedule()
        missed = Schedule.objects.get().next_run - timedelta(days=3)
        Schedule.objects.update(next_run=missed)
        keep_schedule()
        assert Schedule.objects.get().next_run == missed
        scheduler(get_broker())
        scheduler(get_broker())
        assert message()["func"] == nightly.TASK
        assert not OrmQ.objects.exists()
        assert Schedule.objects.get().next_run > timezone.now()

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite lets one write at a time anyway.")
    @pytest.mark.django_db(transaction=True)
    def test_workers_that_start_at_the_same_moment_make_one_row(self):
        start = threading.Barrier(4)

        def work() -> None:
            start.wait()
            try:
                keep_schedule()
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Schedule.objects.filter(name=NAME).count() == 1


class TestCleanUp:
    def test_one_slice_is_enough_for_little(self, orphans):
        clean_up()
        last = cleaning_record.last()
        assert last is not None
        assert (last.files, last.bytes, last.position, last.is_running) == (5, 25, "", False)
        assert keys_of() == set()
        assert not OrmQ.objects.exists()

    def test_more_is_done_in_slices_with_other_messages_between(self, orphans, monkeypatch):
        monkeypatch.setattr(nightly, "SLICE_S", 0)
        clean_up()
        assert keys_of() == set(orphans[1:])
        slices = 1
        while OrmQ.objects.exists():
            task = message()
            assert task["func"] == nightly.TASK
            clean_up(*task["args"])
            slices += 1
        assert slices == 6
        last = cleaning_record.last()
        assert last is not None
        assert (last.files, last.position, last.is_running) == (5, "", False)

    def test_what_is_too_much_for_a_night_goes_on_in_the_next(self, orphans, monkeypatch):
        monkeypatch.setattr(nightly, "SLICE_S", 0)
        monkeypatch.setattr(nightly, "LONGEST", timedelta())
        clean_up()
        last = cleaning_record.last()
        assert last is not None
        assert (last.files, last.position, last.is_running) == (1, orphans[0], False)
        assert not OrmQ.objects.exists()
        clean_up()
        assert keys_of() == set(orphans[2:])

    def test_a_worker_that_ends_hands_it_on(self, orphans, monkeypatch):
        monkeypatch.setattr(shutdown, "_terminated", False)
        monkeypatch.setattr(shutdown, "is_coming", lambda: True)
        clean_up()
        assert keys_of() == set(orphans[1:])
        assert OrmQ.objects.count() == 1

    def test_a_later_one_takes_over_from_one_that_runs(self, orphans, monkeypatch):
        monkeypatch.setattr(nightly, "SLICE_S", 0)
        clean_up()
        earlier = message()
        clean_up()
        before = keys_of()
        clean_up(*earlier["args"])
        assert keys_of() == before
        assert OrmQ.objects.count() == 1

    def test_a_fault_is_recorded_and_raised(self, orphans, monkeypatch):
        def broken(keys):
            raise ZeroDivisionError("dust")

        holdings = [*cleaning._holdings, cleaning.Holding("x", "uploads", cleaning._holdings[0].layout, broken, [])]
        holdings = [cleaning.Holding(one.kind, one.folder, one.layout, broken, []) for one in holdings]
        monkeypatch.setattr(cleaning, "_holdings", holdings)
        with pytest.raises(ZeroDivisionError):
            clean_up()
        last = cleaning_record.last()
        assert last is not None
        assert (last.errors, last.error, last.is_running) == (1, "It broke off: dust", False)
        assert keys_of() == set(orphans)


class TestWhatOperatorsSee:
    def test_before_the_first(self, page_of, operator):
        keep_schedule()  # its lock is the row
        assert "There was none yet" in page_of(operator).get("/admin/jobs/job/queue/").content.decode()
        assert "bantam_cleanup" not in page_of(operator).get("/metrics").content.decode()

    def test_the_last_one_and_the_sums_of_all(self, page_of, operator):
        for size in (1024, 2048):
            cleaning_record.note(cleaning_record.begin(), Account(is_done=True, removed={"uploads": Sum(3, size)}))
        started_at = cleaning_record.begin()
        failed = Account(errors=["x can't be deleted: Access denied"], position="projects/x", cleared={"uploads": 4})
        cleaning_record.note(started_at, failed)
        page = page_of(operator).get("/admin/jobs/job/queue/").content.decode()
        assert f"{started_at:%Y-%m-%d %H:%M} UTC" in page
        assert "not all was looked at" in page
        assert "1 · x can&#x27;t be deleted: Access denied" in page
        found = samples(page_of(operator).get("/metrics").content.decode())
        assert found["bantam_cleanup_removed_files_total",] == 6
        assert found["bantam_cleanup_removed_bytes_total",] == 3072
        assert found["bantam_cleanup_errors_total",] == 1
        finished = datetime.fromtimestamp(found["bantam_cleanup_last_timestamp_seconds",], tz=started_at.tzinfo)
        assert started_at <= finished <= timezone.now()

    def test_one_that_runs(self, page_of, operator):
        cleaning_record.begin()
        assert "has not ended" in page_of(operator).get("/admin/jobs/job/queue/").content.decode()
        assert CleanUp.objects.count() == 1
