"""Reading batches is pure: no database here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.analytics.intake import MAX_BATCH_BYTES, read_batch
from apps.errors import Refused
from tests.analytics.batches import encoded, event

NOW = datetime.now(UTC)
DEVICE = "ec9ef73c-bab7-45ad-b23f-e3404a38e5e4"  # the same in every process that collects the tests


def read(*events: Any):
    return read_batch(encoded({"installation": DEVICE, "events": list(events)}), now=NOW)


def test_a_good_batch_is_read_whole():
    sent = event("inferred", latency_ms=0.25, label="7", score=0.93)
    batch = read(sent, event("feedback", label="7", correct="3"), event("assigned"))
    assert batch.installation == UUID(DEVICE)
    assert batch.rejected == []
    inferred, feedback, assigned = batch.events
    assert (inferred.key, inferred.type, inferred.latency_ms) == (UUID(sent["id"]), "inferred", 0.25)
    assert inferred.occurred_at == datetime.fromisoformat(sent["occurred_at"])
    assert (feedback.is_correct, inferred.is_correct, assigned.latency_ms) == (False, None, None)


def test_an_empty_batch_is_fine():
    assert read().events == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id": "42"}, "invalid_id"),
        ({"id": None}, "invalid_id"),
        ({"type": "clicked"}, "unknown_type"),
        ({"type": ["inferred"]}, "unknown_type"),
        ({"model": ""}, "invalid_model"),
        ({"model": 7}, "invalid_model"),
        ({"version": "newest"}, "invalid_version"),
        ({"version": 3}, "invalid_version"),
        ({"occurred_at": "yesterday"}, "invalid_date"),
        ({"occurred_at": 1763900000}, "invalid_date"),
        ({"occurred_at": "2026-11-23T12:00:00"}, "invalid_date"),
        ({"occurred_at": "1969-12-31T23:59:59Z"}, "invalid_date"),
        ({"occurred_at": (NOW + timedelta(days=1, minutes=1)).isoformat()}, "date_in_the_future"),
        ({"data": []}, "invalid_data"),
        ({"data": {"note": "x" * 8200}}, "data_too_large"),
        ({"data": {"note": "a\x00b"}}, "invalid_data"),
        ({"data": {"latency_ms": -1}}, "invalid_data"),
        ({"data": {"latency_ms": "fast"}}, "invalid_data"),
        ({"data": {"latency_ms": True}}, "invalid_data"),
        ({"data": {"score": "high"}}, "invalid_data"),
        ({"data": {"label": 7}}, "invalid_data"),
        ({"type": "feedback", "data": {"label": "7"}}, "invalid_data"),
        ({"type": "feedback", "data": {"label": "7", "correct": "7", "prediction": "42"}}, "invalid_data"),
        ({"type": "failed", "data": {"stage": "load"}}, "invalid_data"),
    ],
)
def test_one_bad_event_is_rejected_and_the_others_kept(change, code):
    bad = {**event(), **change}
    batch = read(event(), bad, event())
    assert [kept.index for kept in batch.events] == [0, 2]
    (rejected,) = batch.rejected
    assert (rejected["index"], rejected["code"]) == (1, code)
    assert rejected["id"] == (bad["id"] if isinstance(bad["id"], str) else None)
    assert "Received" in rejected["message"] or "NUL" in rejected["message"]


@pytest.mark.parametrize("depth", [51, 300, 1_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("field", ["id", "type", "model", "version", "occurred_at", "data"])
def test_a_deeply_nested_value_is_rejected(field, opening, closing, depth):
    bad = {**event(), field: "HERE"}
    value = opening * depth + "0" + closing * depth
    value = f'{{"deep": {value}}}' if field == "data" else value
    body = encoded({"installation": DEVICE, "events": [event(), bad]}).replace(b'"HERE"', value.encode())
    batch = read_batch(body, now=NOW)
    assert [kept.index for kept in batch.events] == [0]
    assert [problem["index"] for problem in batch.rejected] == [1]


def test_data_of_fifty_levels_is_kept():
    data: dict[str, Any] = {}
    for _ in range(49):
        data = {"inner": data}
    assert read(event(**data)).rejected == []


@pytest.mark.parametrize("data", [{"a\x00": 1}, {"a": ["\x00"]}, {"a": "\\\x00"}])
def test_a_nul_anywhere_in_data_is_rejected(data):
    assert [problem["code"] for problem in read(event(**data)).rejected] == ["invalid_data"]


def test_what_only_looks_like_a_nul_is_kept():
    assert read(event(note="\\u0000 typed by hand")).rejected == []


def test_an_event_that_is_no_object_is_rejected():
    assert [problem["code"] for problem in read("inferred", None, 3).rejected] == ["invalid_event"] * 3


def test_a_clock_that_is_a_little_ahead_is_fine():
    assert read({**event(), "occurred_at": (NOW + timedelta(hours=23)).isoformat()}).rejected == []


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (b"", "invalid_json", 400),
        (b"{", "invalid_json", 400),
        (b"\xff", "invalid_json", 400),
        (b'{"installation": "\\ud800"}', "invalid_json", 400),
        (b"[]", "invalid", 400),
        (encoded({"events": []}), "invalid", 400),
        (encoded({"installation": "42", "events": []}), "invalid", 400),
        (encoded({"installation": DEVICE}), "invalid", 400),
        (encoded({"installation": DEVICE, "events": {}}), "invalid", 400),
        (encoded({"installation": DEVICE, "events": [None] * 501}), "too_many_events", 400),
        (b" " * (MAX_BATCH_BYTES + 1), "batch_too_large", 413),
        (b"[" * 100_000, "invalid_json", 400),
        (b'{"installation": ' + b"[" * 900 + b"]" * 900 + b"}", "invalid", 400),
        *(
            (b'{"events": [{"data": {"note": %b}}]}' % oddity, "invalid_json", 400)
            for oddity in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 500, b'"\\ud800"')
        ),
    ],
)
def test_a_batch_that_can_not_be_read_is_refused_as_a_whole(body, code, status):
    with pytest.raises(Refused) as caught:
        read_batch(body, now=NOW)
    assert (caught.value.code, caught.value.status) == (code, status)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=10), children, max_size=3),
    max_leaves=10,
)
NAMES = ["id", "type", "model", "version", "occurred_at", "data"]
MOMENTS = st.datetimes(timezones=st.timezones()).map(datetime.isoformat)


@given(st.dictionaries(st.sampled_from(NAMES), JSON | MOMENTS | st.just("feedback")))
def test_whatever_an_event_holds_it_is_kept_or_rejected(change):
    batch = read({**event(), **change})
    assert len(batch.events) + len(batch.rejected) == 1
