"""The team API of schedules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.errors import Refused
from apps.jobs.schedules import starting
from apps.jobs.schedules.starting import Subject
from apps.projects.access import Access
from apps.projects.models import AuditEntry
from tests.jobs.schedules.moments import due, leave

pytestmark = pytest.mark.django_db


class TestApi:
    BODY = {
        "starts": "check",
        "payload": {"wants": "digits"},
        "every": "week",
        "weekday": "monday",
        "at": "06:00",
        "zone": "Europe/Berlin",
    }

    @pytest.fixture
    def url(self, project, startable) -> str:
        return f"/api/v1/projects/{project.pk}/schedules"

    def test_from_making_to_deleting(self, api_of, developer, url):
        client = api_of(developer)
        made = client.post(url, self.BODY)
        assert made.status_code == 201, made.json()
        row = made.json()
        assert row == row | self.BODY
        about = ("name", "subject", "enabled", "last_job", "skipped", "runs_as")
        assert [row[name] for name in about] == [
            *("Check digits", "A check of digits", True, None, None),
            "developer@example.com",
        ]
        one = f"{url}/{row['id']}"
        changed = client.patch(one, {"every": "day", "at": "18:30"}).json()
        assert [changed[name] for name in ("every", "weekday", "at", "zone")] == ["day", "", "18:30", "Europe/Berlin"]
        assert client.patch(one, {"enabled": False}).json()["next_run"] is None
        assert client.post(f"{one}/run").json()["title"] == "Check digits"
        assert client.post(f"{one}/run").status_code == 409
        [listed] = client.get(url).json()["results"]
        assert listed == client.get(one).json()
        assert listed["last_job"]["state"] == "queued"
        assert client.delete(one).status_code == 204
        assert client.get(one).status_code == 404

    def test_enabled_alone_pauses_and_resumes_and_takes_nothing_over(
        self, api_of, owner, developer, make_schedule, startable, monkeypatch, url
    ):
        schedule = make_schedule()

        def describe(access: Access, payload: dict[str, Any]) -> Subject:
            raise Refused("run_unknown", "It is gone.")

        monkeypatch.setitem(starting._startables, "check", replace(startable, describe=describe))
        client = api_of(owner)
        assert client.patch(f"{url}/{schedule.pk}", {"enabled": False}).json()["next_run"] is None
        row = client.patch(f"{url}/{schedule.pk}", {"enabled": True}).json()
        assert (row["enabled"], row["runs_as"]) == (True, developer.email)
        actions = AuditEntry.across_tenants.order_by("id").values_list("action", flat=True)
        assert list(actions) == ["schedule.created", "schedule.paused", "schedule.resumed"]

    def test_why_it_was_skipped(self, api_of, viewer, make_schedule, access, url):
        schedule = make_schedule()
        leave(access)
        due(schedule)
        [row] = api_of(viewer).get(url).json()["results"]
        assert row["skipped"]["code"] == "person_gone"

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"at": "6 o'clock"}, "at"),
            ({"zone": "Mars"}, "zone"),
            ({"weekday": "someday"}, "weekday"),
            ({"payload": {"wants": "chaos"}}, "payload.wants"),
            ({"payload": []}, "payload"),
            ({"starts": "cook"}, "starts"),
        ],
    )
    def test_bad_input_is_named(self, api_of, developer, url, change, field):
        answer = api_of(developer).post(url, self.BODY | change)
        assert answer.status_code == 400
        assert field in [detail["field"] for detail in answer.json()["error"]["details"]]

    def test_keys_read_and_run_but_do_not_make(self, api_of, server_key, make_schedule, url):
        client, schedule = api_of(server_key), make_schedule()
        assert client.post(url, self.BODY).status_code == 403
        assert client.post(f"{url}/{schedule.pk}/run").status_code == 201
        assert client.get(f"{url}/{schedule.pk}").json()["last_job"]["title"] == "Check digits"

    def test_the_list_costs_the_same_however_long(self, api_of, viewer, make_schedule, url, django_assert_num_queries):
        for wants in ("digits", "letters", "faces"):
            due(make_schedule(wants))
        client = api_of(viewer)
        client.get(url)
        with django_assert_num_queries(5):  # session, user, project, role, schedules
            assert len(client.get(url).json()["results"]) == 3
