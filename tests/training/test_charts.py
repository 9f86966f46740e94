"""The series of runs as files, and the page that compares runs."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.urls import reverse
from uuid_utils.compat import uuid7

from apps.jobs.models import JobEvent
from apps.projects.models import Project
from apps.training import series
from apps.training.comparing import differences
from apps.training.models import TrainingRun
from apps.training.services import start_run

pytestmark = pytest.mark.usefixtures("project")
BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def url(name: str, *args: object) -> str:
    return reverse(name, args=["acme", "reader", *args])


@pytest.fixture
def make_run(access, dataset_version, small_spec):
    """`make_run([(step, values), …], name=…, rate=…)` → a run whose job has measured that, a second apart."""

    def make(measured=(), name: str = "First", rate: float = 0.003) -> TrainingRun:
        spec = {**small_spec, "hyperparameters": {**small_spec["hyperparameters"], "learning_rate": rate}}
        run = start_run(access=access, dataset_version=dataset_version, spec=spec, model_name=f"Of {name}", name=name)
        for second, (step, values) in enumerate(measured):
            run.job.last_sequence += 1
            JobEvent.across_tenants.create(
                project=run.project,
                job=run.job,
                sequence=run.job.last_sequence,
                kind=JobEvent.Kind.METRICS,
                data={"step": step, "values": values},
                created_at=BEGIN + timedelta(seconds=second),
            )
        run.job.save()
        return run

    return make


def read(response) -> bytes:
    assert response.status_code == 200, response.content
    return response.getvalue()


def rows_of(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(read(response).decode())))


def test_csv_has_a_row_for_every_point(page_of, viewer, make_run):
    run = make_run(
        [(1, {"trainer/loss": 2.5, "student:bits/loss": 3}), (2, {"trainer/loss": 1.25e-7})], name='A "run", 1'
    )
    response = page_of(viewer).get(url("run-metrics-csv"), {"run": run.pk})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="run-1-metrics.csv"'
    assert rows_of(response) == [
        ["run", "name", "series", "step", "wall_time", "value"],
        ["1", 'A "run", 1', "student:bits/loss", "1", "2026-03-01T12:00:00.000Z", "3"],
        ["1", 'A "run", 1', "trainer/loss", "1", "2026-03-01T12:00:00.000Z", "2.5"],
        ["1", 'A "run", 1', "trainer/loss", "2", "2026-03-01T12:00:01.000Z", "1.25e-07"],
    ]


def test_json_has_columns_and_says_where_live_events_go_on(page_of, viewer, make_run):
    run = make_run([(1, {"trainer/loss": 2.5}), (2, {"trainer/loss": 1.5})])
    body = json.loads(read(page_of(viewer).get(url("run-metrics-json"), {"run": run.pk})))
    start = BEGIN.timestamp()
    columns = {"name": "trainer/loss", "steps": [1, 2], "wall_times": [start, start + 1], "values": [2.5, 1.5]}
    about = {"id": str(run.pk), "number": 1, "name": "First", "last_sequence": run.job.last_sequence}
    assert body == {"runs": [{**about, "series": [columns]}]}


def test_several_runs_come_in_the_order_asked_for_and_one_series_alone_if_asked_for(page_of, viewer, make_run):
    old = make_run([(1, {"trainer/loss": 1, "trainer/accuracy": 0.5})], name="Old")
    new = make_run([(1, {"trainer/loss": 2})], name="New")
    response = page_of(viewer).get(
        url("run-metrics-csv"), {"run": [new.pk, old.pk, new.pk], "series": ["trainer/loss", "no/such"]}
    )
    assert response["Content-Disposition"] == 'attachment; filename="metrics.csv"'
    assert [(row[1], row[2], row[5]) for row in rows_of(response)[1:]] == [
        ("New", "trainer/loss", "2"),
        ("Old", "trainer/loss", "1"),
    ]
    nothing = page_of(viewer).get(url("run-metrics-json"), {"run": new.pk, "series": "x"})
    assert json.loads(read(nothing))["runs"][0]["series"] == []


def test_what_a_resumed_run_measured_again_stands_there_once(page_of, viewer, make_run):
    measured = [
        (10, {"a/loss": 1}),
        (20, {"a/loss": 2, "validation/a/loss": 9}),
        (15, {"a/loss": 3}),
        (25, {"a/loss": 4}),
    ]
    body = json.loads(read(page_of(viewer).get(url("run-metrics-json"), {"run": make_run(measured).pk})))
    found = {one["name"]: (one["steps"], one["values"]) for one in body["runs"][0]["series"]}
    assert found == {"a/loss": ([10, 15, 25], [1, 3, 4]), "validation/a/loss": ([20], [9])}


def test_names_that_a_spreadsheet_would_compute_are_text(page_of, viewer, make_run):
    run = make_run([(1, {"=1+1": -2})], name="=HYPERLINK(1)")
    assert rows_of(page_of(viewer).get(url("run-metrics-csv"), {"run": run.pk}))[1][1::4] == ["'=HYPERLINK(1)", "-2"]


def test_long_series_are_read_and_sent_in_parts(page_of, viewer, make_run, monkeypatch, django_assert_num_queries):
    run = make_run([(step, {"a/loss": step / 2}) for step in range(1, 11)])
    monkeypatch.setattr(series, "EVENTS_A_QUERY", 4)
    monkeypatch.setattr("apps.training.series_files.ROWS_A_PIECE", 3)
    page = page_of(viewer)
    page.get(url("run-list"))
    # session, user, project, role, runs, events three times
    with django_assert_num_queries(8):
        response = page.get(url("run-metrics-csv"), {"run": run.pk})
        pieces = list(response.streaming_content)
    assert len(pieces) == 5
    assert [row.split(",")[3] for row in b"".join(pieces).decode().splitlines()[1:]] == [str(n) for n in range(1, 11)]


@pytest.mark.django_db(transaction=True)
async def test_asynchronous_server_sends_one_packed_stream(viewer, make_run, access):
    run = await sync_to_async(make_run)([(step, {"a/loss": 1 / step, "a/accuracy": 0.5}) for step in range(1, 50)])
    client = AsyncClient()
    await sync_to_async(client.force_login)(viewer)
    response: Any = await client.get(url("run-metrics-json"), {"run": str(run.pk)}, headers={"accept-encoding": "gzip"})
    assert (response.is_async, response["Content-Encoding"]) == (True, "gzip")
    packed = b"".join([piece async for piece in response.streaming_content])
    assert len(json.loads(gzip.decompress(packed))["runs"][0]["series"]) == 2
    assert packed.count(b"\x1f\x8b\x08") == 1  # browsers read no further than the first of several


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({}, 400, "Say which runs"),
        ({"run": "x"}, 400, "Received: x"),
        ({"run": [str(uuid7()) for _ in range(51)]}, 400, "At most 50 runs at a time. Received: 51."),
        ({"run": "01a2090c-d0bd-7403-845c-7bc31839f895"}, 404, ""),
    ],
    ids=["none", "no id", "too many", "unknown"],
)
def test_bad_choices_of_runs_are_refused(page_of, api_of, viewer, project, query, status, said):
    page = page_of(viewer).get(url("run-metrics-csv"), query)
    answer = api_of(viewer).get(reverse("api-run-metrics-json", args=[project.pk]), query)
    assert (page.status_code, answer.status_code) == (status, status)
    assert said in page.content.decode()
    assert said in answer.json()["error"]["message"]


def test_api_gives_the_same_to_a_key(api_of, server_key, page_of, viewer, project, make_run):
    run = make_run([(1, {"a/loss": 1})])
    for extension in ("csv", "json"):
        answer = api_of(server_key).get(reverse(f"api-run-metrics-{extension}", args=[project.pk]), {"run": run.pk})
        assert read(answer) == read(page_of(viewer).get(url(f"run-metrics-{extension}"), {"run": run.pk}))


def test_runs_of_another_project_are_not_there(page_of, api_of, viewer, stranger, organization, project, make_run):
    run = make_run([(1, {"a/loss": 1})])
    other = Project.across_tenants.create(organization=organization, name="Other", slug="other-app")
    page = page_of(viewer)
    for name in ("run-metrics-csv", "run-metrics-json", "run-compare"):
        assert page.get(reverse(name, args=["acme", other.slug]), {"run": run.pk}).status_code == 404
        assert page_of(stranger).get(url(name), {"run": run.pk}).status_code == 404
    for name in ("api-run-metrics-csv", "api-run-metrics-json"):
        assert api_of(viewer).get(reverse(name, args=[other.pk]), {"run": run.pk}).status_code == 404


class TestComparing:
    def test_runs_stand_side_by_side_with_what_differs(self, page_of, viewer, make_run, django_assert_num_queries):
        runs = [make_run(name=f"Rate {rate}", rate=rate) for rate in (0.01, 0.02, 0.03)]
        page = page_of(viewer)
        page.get(url("run-list"))
        # session, user, project, role, runs, those that can be added
        with django_assert_num_queries(6):
            response = page.get(url("run-compare"), {"run": [run.pk for run in runs[:2]]})
        text = response.content.decode()
        assert [(row.path, row.values) for row in response.context["differences"]] == [
            ("hyperparameters.learning_rate", ["0.01", "0.02"])
        ]
        for said in ("Rate 0.01", "Rate 0.02", f'<option value="{runs[2].pk}">Rate 0.03 (3)'):
            assert said in text
        assert "style=" not in text

    def test_students_that_are_declared_in_another_order_do_not_differ(self, make_run):
        one, two = make_run(name="One"), make_run(name="Two")
        two.spec["students"].reverse()
        assert differences([one, two]) == []
        two.spec["students"][0]["params"] = {"units": [8]}
        two.spec["students"][1]["id"] = "other"
        found = {row.path: row.values for row in differences([one, two])}
        assert found["students.dense.params.units"] == ["[16]", "[8]"]
        assert found["students.bits.model_type"] == ["projection", "–"]
        assert found["students.other.model_type"] == ["–", "projection"]

    def test_without_runs_it_offers_some(self, page_of, viewer, make_run):
        page = page_of(viewer)
        assert "No runs to compare" in page.get(url("run-compare")).content.decode()
        make_run()
        text = page.get(url("run-compare"), {"run": ""}).content.decode()
        assert "First (1)" in text
        assert "chart-data" not in text

    def test_too_many_and_no_ids_are_said(self, page_of, viewer, make_run, monkeypatch):
        monkeypatch.setattr("apps.training.compare_views.MOST_COMPARED", 2)
        runs = [make_run(name=f"Run {index}") for index in range(3)]
        page = page_of(viewer)
        many = page.get(url("run-compare"), {"run": [run.pk for run in runs]})
        assert "At most 2 runs can be compared at a time. Received: 3." in many.content.decode()
        assert [run.name for run in many.context["runs"]] == ["Run 0", "Run 1"]
        wrong = page.get(url("run-compare"), {"run": "x"})
        assert wrong.status_code == 400
        assert "run must be the id of a training run. Received: x." in wrong.content.decode()

    def test_list_and_run_lead_there(self, page_of, viewer, make_run):
        one, two = make_run(name="One"), make_run(name="Two")
        page = page_of(viewer)
        listed = page.get(url("run-list")).content.decode()
        assert f'action="{url("run-compare")}"' in listed
        assert listed.count('name="run"') == 2
        shown = page.get(url("run", one.pk)).content.decode()
        assert f'<input type="hidden" name="run" value="{one.pk}">' in shown
        assert f'<option value="{two.pk}">Two (2)</option>' in shown
