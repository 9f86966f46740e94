"""Mails about jobs that end: who gets which, and that a mail server that is down loses none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from apps.accounts.models import Membership
from apps.jobs.endings import end_cancelled, end_failed
from apps.jobs.models import Job
from apps.jobs.notices.fan_out import fan_out
from apps.jobs.notices.mailing import GIVE_UP_AFTER, send_mails
from apps.jobs.notices.models import Notice, NoticeMail
from apps.jobs.worker import run_job
from tests.jobs.conftest import RESULT, begin

pytestmark = pytest.mark.django_db


def told() -> list[str]:
    fan_out()
    send_mails()
    return [to for message in mail.outbox for to in message.to]


def fail(job: Job) -> None:
    end_failed(job, "internal_error", "The <engine> broke.", [])


def test_who_started_a_job_that_fails_is_mailed_what_happened_and_what_to_do(make_job, viewer):
    job = make_job()
    fail(job)
    assert told() == ["developer@example.com"]
    [message] = mail.outbox
    assert message.subject == "[Bantam] Check digits: failed"
    link = f"http://127.0.0.1:8000/o/acme/p/reader/jobs/{job.pk}/"
    for expected in ("The <engine> broke.", "Code: internal_error", "Start it again; if it fails again", link):
        assert expected in message.body
    assert isinstance(message, EmailMultiAlternatives)
    [(content, kind)] = message.alternatives
    html = str(content)
    assert kind == "text/html"
    assert "The &lt;engine&gt; broke." in html
    assert f'href="{link}"' in html
    assert not NoticeMail.across_tenants.exists()
    assert told() == ["developer@example.com"]  # once


def test_the_end_of_a_real_attempt_is_told(make_job, api_of, developer, project):
    api_of(developer).put(f"/api/v1/projects/{project.pk}/notices", {"wants": "mine"})
    run_job(str(make_job(RESULT).pk))
    assert told() == ["developer@example.com"]
    assert mail.outbox[0].subject == "[Bantam] Check digits: succeeded"


@pytest.mark.parametrize(
    ("wants", "subjects"),
    [("my_failures", ["failed"]), ("mine", ["failed", "cancelled"]), ("none", []), ("all", ["failed", "cancelled"])],
)
def test_each_person_chooses(make_job, page_of, developer, viewer, wants, subjects):
    page_of(viewer).post("/o/acme/p/reader/settings/notices/", {"wants": "all"})
    page = page_of(developer)
    response = page.post("/o/acme/p/reader/settings/notices/", {"wants": wants}, follow=True)
    assert f'value="{wants}"' in response.content.decode().split("checked")[0].rsplit("<input", 1)[1]
    fail(make_job())
    end_cancelled(make_job())
    told()
    got = {who: [m.subject.split(": ")[1] for m in mail.outbox if m.to == [who]] for m in mail.outbox for who in m.to}
    assert got.pop("viewer@example.com") == ["failed", "cancelled"]
    assert got.pop("developer@example.com", []) == subjects


def test_a_silent_job_sends_no_mail(make_job):
    fail(make_job(silent=True))
    assert told() == []
    assert not Notice.across_tenants.exists()


def test_the_mail_says_how_it_was_also_when_the_job_runs_again(make_job):
    job = make_job()
    fail(job)
    Job.across_tenants.filter(pk=job.pk).update(state="queued", error_code="", error_message="")
    told()
    assert mail.outbox[0].subject.endswith(": failed")
    assert "The <engine> broke." in mail.outbox[0].body


def test_a_mail_server_that_is_down_loses_nothing(make_job, settings):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        1,
    )
    for _ in range(2):
        fail(make_job())
    assert told() == []
    waiting = NoticeMail.across_tenants.order_by("due_at")
    assert [one.attempts for one in waiting] == [0, 1]  # the second one was not even tried
    assert "refused" in waiting[1].error
    assert timedelta(seconds=5) < waiting[1].due_at - timezone.now() < timedelta(seconds=20)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    NoticeMail.across_tenants.update(due_at=timezone.now())
    assert told() == ["developer@example.com"] * 2


def test_what_can_not_be_sent_for_two_weeks_is_given_up(make_job, settings):
    settings.EMAIL_BACKEND, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", 1
    fail(make_job())
    fan_out()
    NoticeMail.across_tenants.update(created_at=timezone.now() - GIVE_UP_AFTER - timedelta(hours=1))
    send_mails()
    assert not NoticeMail.across_tenants.exists()


def test_who_has_left_gets_no_mail(make_job, developer):
    fail(make_job())
    fan_out()
    Membership.across_tenants.filter(user=developer).delete()
    assert told() == []
    assert not NoticeMail.across_tenants.exists()


def test_bad_choice_is_refused(api_of, developer, project):
    answer = api_of(developer).put(f"/api/v1/projects/{project.pk}/notices", {"wants": "some"})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "wants"


def test_an_end_costs_the_job_one_row_and_no_look_at_who_listens(make_job, django_assert_num_queries):
    from apps.jobs.notices.outbox import note_end

    job = make_job()
    begin(job)
    with django_assert_num_queries(1):
        note_end(job)
