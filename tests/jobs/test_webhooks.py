"""Webhooks as developers set them up and receivers get them: a real HTTP server on this machine receives."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import runpy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.utils import timezone

from apps.jobs.endings import end_cancelled, end_failed
from apps.jobs.models import Job
from apps.jobs.notices import posting
from apps.jobs.notices.delivering import KEPT, OF_ONE_WEBHOOK, deliver_due, forget_old
from apps.jobs.notices.fan_out import fan_out
from apps.jobs.notices.mailing import send_mails
from apps.jobs.notices.models import Webhook, WebhookDelivery
from apps.jobs.notices.retries import MOST_TRIES, PAUSES_S
from apps.projects.models import AuditEntry
from tests.jobs.receiver import receiving

pytestmark = pytest.mark.django_db
PAGES = "/o/acme/p/reader/settings"


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with receiving() as one:
        yield one


@pytest.fixture
def make_webhook(api_of, developer, project, receiver):
    """`make_webhook(events=[…])` → the answer of the API, with the secret."""

    def make(**fields: Any) -> dict[str, Any]:
        body = {"url": receiver.url, "events": ["job.failed", "job.succeeded"]} | fields
        answer = api_of(developer).post(f"/api/v1/projects/{project.pk}/webhooks", body)
        assert answer.status_code == 201, answer.json()
        return answer.json()

    return make


def fail(job: Job) -> None:
    end_failed(job, "internal_error", "The engine broke.", [])


def deliver() -> None:
    fan_out()
    deliver_due()


def again() -> None:
    """The pause before the next try is over."""
    WebhookDelivery.across_tenants.filter(state="waiting").update(due_at=timezone.now())
    deliver_due()


def signed_with(secret: str, headers: dict[str, str], body: bytes) -> str:
    """What Standard Webhooks says the signature is, written down once more."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


class TestDelivery:
    def test_a_job_that_fails_is_told_signed(self, make_webhook, make_job, receiver):
        secret = make_webhook()["secret"]
        job = make_job()
        fail(job)
        deliver()
        [(path, headers, body)] = receiver.got
        assert path == "/hook?from=bantam"
        assert headers["host"] == receiver.url.split("/")[2]
        assert headers["content-type"] == "application/json"
        assert headers["webhook-signature"] == signed_with(secret, headers, body)
        assert abs(int(headers["webhook-timestamp"]) - timezone.now().timestamp()) < 10
        told = json.loads(body)
        assert told["type"] == "job.failed"
        assert told["data"]["project"]["organization"] == "acme"
        assert told["data"]["job"]["id"] == str(job.pk)
        assert told["data"]["job"]["error"] == {
            "code": "internal_error",
            "message": "The engine broke.",
            "details": [],
        }
        delivery = WebhookDelivery.across_tenants.get()
        assert (delivery.state, delivery.status, delivery.answer, delivery.attempts) == (
            "delivered",
            200,
            "thank you",
            1,
        )
        deliver()
        assert len(receiver.got) == 1

    def test_only_chosen_events_and_kinds_of_webhooks_that_are_on(self, make_webhook, make_job, receiver):
        wanted = make_webhook(events=["job.cancelled"], kinds=["check"])
        make_webhook(events=["job.failed"])
        make_webhook(events=["job.cancelled"], kinds=["train"])
        make_webhook(events=["job.cancelled"], enabled=False)
        end_cancelled(make_job())
        deliver()
        [delivery] = WebhookDelivery.across_tenants.all()
        assert str(delivery.webhook_id) == wanted["id"]

    def test_failures_are_tried_eight_times_over_a_day_under_one_id(self, make_webhook, make_job, receiver):
        make_webhook()
        receiver.status, receiver.answer = 500, b"out of \x00order"
        fail(make_job())
        deliver()
        delivery = WebhookDelivery.across_tenants.get()
        assert (delivery.state, delivery.status, delivery.answer) == ("waiting", 500, "out of order")
        assert 10 < (delivery.due_at - timezone.now()).total_seconds() < 20
        assert 20 * 3600 < sum(PAUSES_S) < 28 * 3600
        for _ in range(MOST_TRIES + 2):
            again()
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == ("failed", 8)
        assert {headers["webhook-id"] for _, headers, _ in receiver.got} == {delivery.message_id}
        assert len(receiver.got) == 8

    def test_redirects_are_not_followed(self, make_webhook, make_job, receiver):
        make_webhook()
        receiver.status, receiver.headers = 307, {"Location": receiver.url}
        fail(make_job())
        deliver()
        assert len(receiver.got) == 1
        assert WebhookDelivery.across_tenants.get().status == 307

    def test_a_receiver_that_drips_is_hung_up_on(self, make_webhook, make_job, receiver, monkeypatch):
        monkeypatch.setattr(posting, "TIMEOUT_S", 0.5)
        make_webhook()
        receiver.drip = 0.1
        fail(make_job())
        deliver()
        delivery = WebhookDelivery.across_tenants.get()
        assert (delivery.state, delivery.status, delivery.answer) == ("waiting", None, "No answer within 0.5 seconds.")
        assert 400 < (delivery.duration_ms or 0) < 2000

    def test_a_machine_that_died_while_sending_leaves_it_to_others(self, make_webhook, make_job, receiver):
        from apps.jobs.notices.delivering import _claim

        make_webhook()
        fail(make_job())
        fan_out()
        pk = WebhookDelivery.across_tenants.get().pk
        assert _claim(pk) is not None
        deliver()
        assert receiver.got == []  # for five minutes it is the other one's
        again()
        assert len(receiver.got) == 1

    def test_many_messages_of_one_webhook_do_not_keep_another_waiting(self, make_webhook, make_job, receiver):
        busy, other = make_webhook(), make_webhook(kinds=["train"])
        for _ in range(OF_ONE_WEBHOOK * 2):
            fail(make_job())
        fan_out()
        job = make_job()
        Job.across_tenants.filter(pk=job.pk).update(kind="train")
        fail(Job.across_tenants.get(pk=job.pk))
        deliver()
        done = WebhookDelivery.across_tenants.filter(state="delivered").values_list("webhook", flat=True)
        assert [str(pk) for pk in done].count(busy["id"]) == OF_ONE_WEBHOOK
        assert [str(pk) for pk in done].count(other["id"]) == 1

    def test_after_three_days_without_success_it_is_switched_off_and_owners_are_mailed(
        self, make_webhook, make_job, receiver, owner, page_of, developer
    ):
        made = make_webhook()
        receiver.status = 503
        fail(make_job())
        deliver()
        Webhook.across_tenants.update(failing_since=timezone.now() - timedelta(days=3))
        again()
        hook = Webhook.across_tenants.get()
        assert (hook.enabled, hook.switched_off_at is not None) == (False, True)
        assert AuditEntry.across_tenants.get(action="webhook.switched_off").user is None
        again()
        assert len(receiver.got) == 2
        send_mails()
        [message] = [one for one in mail.outbox if one.to == ["owner@example.com"]]
        assert f"{PAGES}/webhooks/{made['id']}/" in message.body
        assert "HTTP 503" in message.body
        page = page_of(developer).get(f"{PAGES}/webhooks/{made['id']}/").content.decode()
        assert "after three days without any success" in page

    def test_one_success_forgets_the_failures(self, make_webhook, make_job, receiver):
        make_webhook()
        fail(make_job())
        Webhook.across_tenants.update(failing_since=timezone.now() - timedelta(days=30))
        deliver()
        assert Webhook.across_tenants.get().failing_since is None

    def test_the_log_is_kept_for_thirty_days(self, make_webhook, make_job):
        make_webhook()
        for _ in range(2):
            fail(make_job())
        deliver()
        old = WebhookDelivery.across_tenants.first()
        WebhookDelivery.across_tenants.filter(pk=old.pk).update(created_at=timezone.now() - KEPT)
        forget_old()
        assert WebhookDelivery.across_tenants.count() == 1


class TestApi:
    def test_the_secret_is_shown_once_and_stored_encrypted(self, make_webhook, api_of, developer, project):
        made = make_webhook()
        assert made["secret"].startswith("whsec_")
        assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
        assert made["secret"].encode() not in bytes(Webhook.across_tenants.get().secret)
        answer = api_of(developer).get(f"/api/v1/projects/{project.pk}/webhooks/{made['id']}").json()
        assert "secret" not in answer

    def test_after_rotation_both_secrets_sign_for_a_day(self, make_webhook, make_job, receiver, api_of, developer):
        made = make_webhook()
        project = Webhook.across_tenants.get().project_id
        url = f"/api/v1/projects/{project}/webhooks/{made['id']}/rotate"
        new = api_of(developer).post(url).json()["secret"]
        fail(make_job())
        deliver()
        _, headers, body = receiver.got[0]
        assert headers["webhook-signature"].split() == [
            signed_with(new, headers, body),
            signed_with(made["secret"], headers, body),
        ]
        Webhook.across_tenants.update(old_secret_until=timezone.now())
        fail(make_job())
        deliver()
        _, headers, body = receiver.got[1]
        assert headers["webhook-signature"] == signed_with(new, headers, body)

    def test_change_test_and_send_again(self, make_webhook, receiver, api_of, developer, project):
        made, client = make_webhook(), api_of(developer)
        base = f"/api/v1/projects/{project.pk}"
        changed = client.patch(f"{base}/webhooks/{made['id']}", {"kinds": ["train"]}).json()
        assert (changed["kinds"], changed["events"]) == (["train"], ["job.succeeded", "job.failed"])
        sent = client.post(f"{base}/webhooks/{made['id']}/test")
        assert sent.status_code == 202
        deliver_due()
        assert json.loads(receiver.got[0][2])["type"] == "test"
        assert client.post(f"{base}/webhook-deliveries/{sent.json()['id']}/again").status_code == 202
        deliver_due()
        assert receiver.got[0][1]["webhook-id"] == receiver.got[1][1]["webhook-id"] == sent.json()["message_id"]
        [logged] = client.get(f"{base}/webhooks/{made['id']}/deliveries").json()["results"]
        assert (logged["state"], logged["status"], logged["answer"]) == ("delivered", 200, "thank you")
        client.patch(f"{base}/webhooks/{made['id']}", {"enabled": False})
        refused = client.post(f"{base}/webhooks/{made['id']}/test")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "webhook_disabled")
        assert client.delete(f"{base}/webhooks/{made['id']}").status_code == 204
        actions = AuditEntry.across_tenants.filter(action__startswith="webhook.").order_by("id")
        assert [entry.action.removeprefix("webhook.") for entry in actions] == [
            "created",
            "changed",
            "sent_again",
            "changed",
            "deleted",
        ]

    def test_the_log_costs_the_same_however_long(
        self, make_webhook, api_of, developer, project, django_assert_num_queries
    ):
        made, client = make_webhook(), api_of(developer)
        for _ in range(5):
            client.post(f"/api/v1/projects/{project.pk}/webhooks/{made['id']}/test")
        with django_assert_num_queries(6):  # session, person, project, role, webhook, deliveries
            client.get(f"/api/v1/projects/{project.pk}/webhooks/{made['id']}/deliveries")

    def test_no_more_than_twenty(self, make_webhook, api_of, developer, project):
        for _ in range(20):
            make_webhook()
        body = {"url": "https://hooks.example/", "events": ["job.failed"]}
        answer = api_of(developer).post(f"/api/v1/projects/{project.pk}/webhooks", body)
        assert answer.json()["error"]["code"] == "too_many_webhooks"


class TestPages:
    def test_from_nothing_to_a_delivery_in_the_log(self, page_of, developer, make_job, receiver):
        page = page_of(developer)
        assert "No webhooks yet" in page.get(f"{PAGES}/notices/").content.decode()
        data = {"url": receiver.url, "events": ["job.failed"], "enabled": "on"}
        made = page.post(f"{PAGES}/webhooks/new/", data)
        assert made.status_code == 201
        assert "whsec_" in made.content.decode()
        hook = Webhook.across_tenants.get()
        assert receiver.url in page.get(f"{PAGES}/notices/").content.decode()
        fail(make_job())
        deliver()
        shown = page.get(f"{PAGES}/webhooks/{hook.pk}/").content.decode()
        assert "HTTP 200" in shown
        assert "thank you" in shown
        assert "whsec_" not in shown
        delivery = WebhookDelivery.across_tenants.get()
        response = page.post(f"{PAGES}/webhook-deliveries/{delivery.pk}/again/", follow=True)
        assert "It is sent again." in response.content.decode()
        rotated = page.post(f"{PAGES}/webhooks/{hook.pk}/rotate/")
        assert "signature of the old secret as well" in rotated.content.decode()
        off = page.post(f"{PAGES}/webhooks/{hook.pk}/", data | {"enabled": ""}, follow=True)
        assert "The webhook is saved." in off.content.decode()
        assert "switched off" in page.post(f"{PAGES}/webhooks/{hook.pk}/test/", follow=True).content.decode()
        page.post(f"{PAGES}/webhooks/{hook.pk}/delete/")
        assert not Webhook.across_tenants.exists()

    def test_bad_addresses_are_said_beside_the_field(self, page_of, developer, project):
        response = page_of(developer).post(
            f"{PAGES}/webhooks/new/", {"url": "https://10.0.0.1/", "events": ["job.failed"]}
        )
        assert response.status_code == 400
        assert "private or shared" in response.context["form"].errors["url"][0]

    def test_a_viewer_chooses_mails_and_sees_no_webhook(self, page_of, viewer, make_webhook, receiver):
        make_webhook()
        assert receiver.url not in page_of(viewer).get(f"{PAGES}/notices/").content.decode()


def test_the_receiver_of_the_guide_accepts_ours_and_nothing_else(make_webhook, make_job, receiver, tmp_path):
    guide = (Path(django_settings.BASE_DIR) / "docs/guides/notices.md").read_text()
    source = tmp_path / "receiver.py"
    source.write_text(guide.split("```python\n")[1].split("```")[0])
    verify = runpy.run_path(str(source))["verify"]
    secret = make_webhook()["secret"]
    fail(make_job())
    deliver()
    _, headers, body = receiver.got[0]
    assert verify(secret, headers, body)["type"] == "job.failed"
    old = str(int(headers["webhook-timestamp"]) - 3600)
    for other in ({"webhook-id": "msg_x"}, {"webhook-signature": "v1,AAAA"}, {"webhook-timestamp": old}):
        with pytest.raises(ValueError, match=r"signature|old"):
            verify(secret, headers | other, body)
    with pytest.raises(ValueError, match="signature"):
        verify(secret, headers, body + b" ")
