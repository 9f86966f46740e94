from __future__ import annotations

import io
import json

import pytest

from ml.reporting import Reporter


def lines(events: bool) -> list[str]:
    stream = io.StringIO()
    reporter = Reporter(events=events, stream=stream)
    reporter.progress(120, 3000, "steps", "training")
    reporter.metrics(120, {"trainer/loss": 0.30000001, "student:small/loss": float("nan")})
    reporter.log("warning", "größer")
    reporter.error("bad_input", "what, received, accepted", [{"field": "a.b", "message": "why"}])
    return stream.getvalue().splitlines()


def test_events_are_one_json_object_a_line():
    assert [json.loads(line) for line in lines(events=True)] == [
        {"event": "progress", "done": 120, "total": 3000, "unit": "steps", "message": "training", "share": 0.04},
        {"event": "metrics", "step": 120, "values": {"trainer/loss": 0.3}},
        {"event": "log", "level": "warning", "message": "größer"},
        {
            "event": "error",
            "code": "bad_input",
            "message": "what, received, accepted",
            "details": [{"field": "a.b", "message": "why"}],
        },
    ]


def test_a_part_has_phases_of_its_own_within_the_whole():
    stream = io.StringIO()
    reporter = Reporter(events=True, stream=stream)
    for part in (reporter.part(0.0, 0.5), reporter.part(0.5, 1.0).part(0.0, 0.5)):
        part.progress(1, 1, "steps", "working")
        for begin, end in ((0.0, 0.2), (0.2, 1.0)):
            part.phase(begin, end)
            part.progress(1, 2, "steps", "working")
    shares = [json.loads(line)["share"] for line in stream.getvalue().splitlines()]
    assert shares == pytest.approx([0.5, 0.05, 0.3, 0.75, 0.525, 0.65])


def test_without_events_the_same_is_text():
    assert lines(events=False) == [
        "training: 120 of 3000 steps",
        "step 120: trainer/loss 0.3",
        "warning: größer",
        "error (bad_input): what, received, accepted",
        "  a.b: why",
    ]


def test_share_of_the_whole_goes_forward_through_the_phases():
    stream = io.StringIO()
    reporter = Reporter(events=True, stream=stream)
    for begin, end in ((0.0, 0.8), (0.8, 1.0)):
        reporter.phase(begin, end)
        for done in (0, 1, 2):
            reporter.progress(done, 2, "steps", "working")
    shares = [json.loads(line)["share"] for line in stream.getvalue().splitlines()]
    assert shares == [0.0, 0.4, 0.8, 0.8, 0.9, 1.0]
