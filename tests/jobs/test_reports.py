"""What a child may say, and how much of it."""

from __future__ import annotations

import json

import pytest

from apps.jobs.models import JobEvent
from apps.jobs.reports import LINES, LINES_A_BEAT, METRICS, Reports


def said(reports: Reports, now: float = 100.0, *, last: bool = True) -> list[tuple[str, dict]]:
    batch = reports.take(now, last=last)
    found = [(event.kind.value, event.data) for event in batch.events]
    reports.written()
    return found


def tell(reports: Reports, now: float = 0.0, **event) -> None:
    reports.output(json.dumps(event).encode(), now)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"plain text", "plain text"),
        (b"{broken json", "{broken json"),
        (b'{"no": "event"}', '{"no": "event"}'),
        (b"[1, 2]", "[1, 2]"),
        (b"\xff\xfe bytes", "�� bytes"),
        (b"nul\0 in it", "nul in it"),
        (b"[" * 100_000, "[" * 2_000),
    ],
)
def test_whatever_is_no_event_is_a_line_of_the_log(line, message):
    reports = Reports(0)
    reports.output(line, 0)
    assert said(reports) == [("log", {"level": "info", "message": message})]


def test_empty_lines_are_dropped():
    reports = Reports(0)
    reports.output(b"   ", 0)
    reports.stderr(b"")
    assert said(reports) == []


def test_numbers_that_no_database_takes_are_left_out():
    reports = Reports(0)
    reports.output(b'{"event": "metrics", "step": 1, "values": {"a": NaN, "b": Infinity, "c": 0.5, "d": "x"}}', 0)
    assert said(reports) == [("metrics", {"step": 1, "values": {"c": 0.5}})]


def test_an_unknown_level_is_info_and_a_message_is_cut():
    reports = Reports(0)
    tell(reports, event="log", level="fatal", message="x" * 5_000)
    assert said(reports) == [("log", {"level": "info", "message": "x" * 2_000})]


@pytest.mark.parametrize("values", [{"done": 1, "total": 0}, {"done": "1", "total": 2}, {"done": True, "total": 2}, {}])
def test_progress_that_is_none_is_ignored(values):
    reports = Reports(0)
    tell(reports, event="progress", **values)
    assert said(reports) == []


def test_progress_never_leaves_0_to_1():
    reports = Reports(0)
    tell(reports, event="progress", done=7, total=5, unit="steps", message="over")
    assert said(reports)[0][1]["share"] == 1.0


def test_share_of_the_whole_job_is_the_childs_where_it_knows():
    reports = Reports(0)
    tell(reports, event="progress", done=0, total=4, unit="models", message="exporting", share=0.8)
    assert said(reports)[0][1]["share"] == 0.8


def test_progress_is_written_once_a_second_and_the_newest_counts():
    reports = Reports(0)
    written = []
    for tenth in range(40):
        now = tenth / 10
        tell(reports, now, event="progress", done=tenth, total=100, unit="steps", message="working")
        written += [data["done"] for _, data in said(reports, now, last=False)]
    assert written == [0, 10, 20, 30]
    assert said(reports, 3.95)[0][1]["done"] == 39


def test_a_long_job_s_progress_is_written_less_often():
    reports = Reports(0)
    written = 0
    for second in range(0, 6 * 3600):
        tell(reports, second, event="progress", done=second, total=6 * 3600, unit="s", message="")
        written += len(said(reports, second, last=False))
    assert written < 5_500


class TestTimeLeft:
    def left(self, reports: Reports, now: float, done: float, total: float = 100, unit: str = "steps") -> int | None:
        tell(reports, now, event="progress", done=done, total=total, unit=unit, message="")
        left: int | None = said(reports, now)[0][1]["seconds_left"]
        return left

    def test_it_comes_from_the_speed_so_far(self):
        reports = Reports(0)
        assert self.left(reports, 0, 0) is None
        assert self.left(reports, 10, 20) == 40
        assert self.left(reports, 50, 100) == 0

    def test_a_blink_is_no_basis(self):
        reports = Reports(0)
        self.left(reports, 0, 0)
        assert self.left(reports, 0.5, 1) is None

    def test_work_done_before_a_resume_does_not_count_as_speed(self):
        reports = Reports(0)
        self.left(reports, 0, 80)
        assert self.left(reports, 10, 90) == 10

    def test_a_new_phase_starts_anew(self):
        reports = Reports(0)
        self.left(reports, 0, 0)
        self.left(reports, 10, 100)
        assert self.left(reports, 11, 1, total=3, unit="models") is None
        assert self.left(reports, 21, 2, total=3, unit="models") == 10


class TestErrors:
    def test_the_child_s_own_account_is_kept(self):
        reports = Reports(0)
        tell(reports, event="error", code="bad_zip", message="No.", details=[{"field": "archive", "message": "empty"}])
        assert reports.error is not None
        assert (reports.error.code, reports.error.message) == ("bad_zip", "No.")
        assert reports.error.details == [{"field": "archive", "message": "empty"}]

    @pytest.mark.parametrize("code", ["Bad Code", "", None, "x" * 61, "<script>"])
    def test_a_code_that_is_none_becomes_ours(self, code):
        reports = Reports(0)
        tell(reports, event="error", code=code, message="No.", details="nonsense")
        assert reports.error is not None
        assert (reports.error.code, reports.error.details) == ("internal_error", [])


class TestLimits:
    def test_a_burst_of_lines_is_cut_and_counted(self):
        reports = Reports(0)
        for index in range(LINES_A_BEAT + 50):
            reports.stderr(f"line {index}".encode())
        events = said(reports, last=False)
        assert len(events) == LINES_A_BEAT + 1
        assert events[-1][1]["message"].startswith("50 lines were left out")
        reports.stderr(b"later")
        assert said(reports, last=False) == [("log", {"level": "info", "message": "later"})]

    def test_a_job_has_only_so_many_lines_in_all(self):
        reports = Reports(0)
        events = []
        for index in range(2 * LINES):
            reports.stderr(f"line {index}".encode())
            events += said(reports, last=False)
        events += said(reports)
        assert len(events) == LINES + 1
        assert "5,000 lines were left out" in events[-1][1]["message"]

    def test_metrics_are_bounded(self):
        reports = Reports(0)
        for step in range(METRICS + 5):
            tell(reports, event="metrics", step=step, values={"a": 1})
        assert len(said(reports)) == METRICS


def test_what_could_not_be_written_is_given_again():
    reports = Reports(0)
    reports.stderr(b"one")
    assert len(reports.take(0).events) == 1
    reports.stderr(b"two")
    batch = reports.take(1)
    assert [event.data["message"] for event in batch.events] == ["one", "two"]
    assert all(event.kind == JobEvent.Kind.LOG for event in batch.events)
    reports.written()
    assert not reports.take(2)
