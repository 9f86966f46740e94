from __future__ import annotations

import html
import json
from uuid import uuid4

import pytest

from apps.delivery.installations import see_installation
from apps.delivery.models import Installation
from apps.delivery.snapshot import Attributes
from tests.delivery.rows import make_model, make_version


@pytest.fixture
def project_url(project) -> str:
    return f"/o/{project.organization.slug}/p/{project.slug}"


@pytest.fixture
def url(project_url) -> str:
    return f"{project_url}/analytics/"


def text_of(answer) -> str:
    return html.unescape(answer.content.decode())


# --- Analytics -------------------------------------------------------------------------------------------------------


def test_devices_and_server_stand_side_by_side(page_of, viewer, url, version, report):
    version.metrics = {"test": {"accuracy": 0.9722}}
    version.save()
    for correct in ("7", "7", "7", "1"):
        report(version, "inferred", latency_ms=0.254)
        report(version, "feedback", label="7", correct=correct)
    page = text_of(page_of(viewer).get(url))
    assert "75.00 %" in page
    assert "3 of 4 right" in page
    assert '97.22 %<br><span class="text-secondary">Accuracy</span>' in page
    assert "0.25 / 0.25 ms" in page
    chart = json.loads(page.split('<script id="chart-data" type="application/json">')[1].split("</script>")[0])
    assert len(chart["days"]) == 30
    assert {series["type"]: series["counts"][-1] for series in chart["series"]}["feedback"] == 4


def test_regressions_are_shown_by_how_far_they_are_off(page_of, viewer, url, project_url, project, version, report):
    heights = make_version(
        make_model(project, "heights"), compatibility={"ok": True, "metadata": {"task": "regression"}}
    )
    heights.metrics = {"test": {"rmse": 0.5, "mae": 0.24681}}
    heights.save()
    device = str(uuid4())
    report(heights, "feedback", installation=device, label="1.75", correct="1.6")
    report(heights, "feedback", installation=device, label="1.6", correct="1.7")
    page = text_of(page_of(viewer).get(url))
    assert "Mean error, of 2 judged" in page
    assert '0.125<br><span class="text-secondary">MAE of 2</span>' in page
    assert '0.2468<br><span class="text-secondary">MAE</span>' in page
    row = Installation.objects.for_project(project).get(key=device)
    assert "“1.75” was 0.15 off “1.6”" in text_of(page_of(viewer).get(f"{project_url}/devices/{row.pk}/"))
    # Beside another model, errors and shares have no common figure: only what can be right counts above.
    report(version, "feedback", label="7", correct="7")
    page = text_of(page_of(viewer).get(url))
    assert "Right, of 1 judged" in page
    assert "100.0 %" in page
    assert "MAE of 2" in page


def test_the_newest_failures_say_what_and_where(page_of, viewer, url, version, report):
    message = "Didn't find op for builtin opcode 'GELU' version '2'."
    report(version, "failed", stage="load", code="model_load_failed", message=message)
    page = text_of(page_of(viewer).get(url))
    assert "model_load_failed" in page
    assert message in page
    assert "Digits v1" in page


def test_what_a_device_wrote_is_text_not_markup(page_of, viewer, url, version, report):
    report(version, "failed", stage="<b>load</b>", code="x", message="<script>alert(1)</script>")
    assert "<script>alert(1)" not in page_of(viewer).get(url).content.decode()


def test_the_empty_page_says_what_to_do_next(page_of, viewer, url):
    page = text_of(page_of(viewer).get(url))
    assert "No events in this period" in page
    assert "start the client" in page
    assert "chart-data" not in page


def test_period_and_model_can_be_chosen(page_of, viewer, url, project, version, report):
    sounds = make_version(make_model(project, "sounds"))
    report(version, "inferred")
    report(sounds, "inferred")
    page = page_of(viewer).get(url, {"days": "7", "model": str(sounds.model_id)})
    assert page.context["overview"].days == 7
    assert [row.version for row in page.context["overview"].versions] == [sounds]
    assert page_of(viewer).get(url, {"days": "8", "model": "x"}).context["overview"].days == 30
    assert page_of(viewer).get(url, {"model": str(uuid4())}).status_code == 404


def test_it_costs_the_same_however_many_versions(page_of, viewer, url, version, report, django_assert_num_queries):
    for number in range(4):
        report(make_version(version.model), "failed" if number % 2 else "inferred")
    client = page_of(viewer)
    # session, user, project, role; counts, devices a version, latencies, versions, devices, failures; models
    with django_assert_num_queries(11):
        client.get(url)


def test_a_stranger_finds_nothing(page_of, stranger, url):
    assert page_of(stranger).get(url).status_code == 404


# --- One device ------------------------------------------------------------------------------------------------------


@pytest.fixture
def device(project, version, report) -> Installation:
    key = uuid4()
    see_installation(
        project,
        Attributes(installation=key, app_version="2.3.0", device_model="Pi 5", ram_mb=8000, user=(("plan", "paid"),)),
    )
    report(version, "inferred", installation=str(key), label="7", score=0.934, latency_ms=0.25)
    report(version, "feedback", installation=str(key), label="7", correct="1")
    report(version, "failed", installation=str(key), stage="predict", code="model_load_failed", message="odd")
    row: Installation = Installation.objects.for_project(project).get(key=key)
    return row


def test_the_page_of_a_device_tells_its_story(page_of, viewer, project_url, device):
    page = text_of(page_of(viewer).get(f"{project_url}/devices/{device.pk}/"))
    for said in (str(device.key), "Pi 5", "2.3.0", "8,000 MB", "user.plan", "paid"):
        assert said in page
    assert "“7” with score 0.934 in 0.25 ms" in page
    assert "“7” was wrong: “1”" in page
    assert "predict" in page
    assert "Failed" in page


def test_a_device_that_reported_nothing_says_so(page_of, viewer, project, project_url):
    see_installation(project, Attributes(installation=uuid4()))
    device = Installation.objects.for_project(project).get()
    page = text_of(page_of(viewer).get(f"{project_url}/devices/{device.pk}/"))
    assert "Nothing reported yet" in page
    assert "No model yet" in page


def test_its_page_costs_the_same_however_much_it_reported(
    page_of, viewer, project_url, device, version, report, django_assert_num_queries
):
    for _ in range(5):
        report(version, "inferred", installation=str(device.key))
    client = page_of(viewer)
    # session, user, project, role; device, its models, versions and names; events
    with django_assert_num_queries(9):
        client.get(f"{project_url}/devices/{device.pk}/")


def test_a_device_of_another_project_is_not_there(page_of, viewer, stranger, project_url, device, other_project):
    see_installation(other_project, Attributes(installation=uuid4()))
    theirs = Installation.objects.for_project(other_project).get()
    assert page_of(viewer).get(f"{project_url}/devices/{theirs.pk}/").status_code == 404
    assert page_of(stranger).get(f"{project_url}/devices/{device.pk}/").status_code == 404
