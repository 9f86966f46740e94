"""How webhooks and their deliveries look in the team API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.jobs.models import Job
from apps.jobs.notices.addresses import MAX_URL
from apps.jobs.notices.models import NoticeChoice, Webhook, WebhookDelivery


class WebhookOut(serializers.ModelSerializer[Webhook]):
    events = serializers.ListField(child=serializers.ChoiceField(choices=Webhook.Event.choices))
    kinds = serializers.ListField(child=serializers.ChoiceField(choices=Job.Kind.choices))

    class Meta:
        model = Webhook
        fields = [
            "id",
            "url",
            "events",
            "kinds",
            "enabled",
            "created_at",
            "failing_since",
            "switched_off_at",
            "old_secret_until",
        ]


class NewWebhookOut(WebhookOut):
    """`secret` is shown in this answer and never again."""

    secret = serializers.CharField()

    class Meta(WebhookOut.Meta):
        fields = [*WebhookOut.Meta.fields, "secret"]


class WebhookIn(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=MAX_URL)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=Webhook.Event.choices), min_length=1, max_length=20
    )
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=Job.Kind.choices),
        required=False,
        max_length=20,
        help_text="Of jobs; empty: all.",
    )
    enabled = serializers.BooleanField(required=False)


class DeliveryOut(serializers.ModelSerializer[WebhookDelivery]):
    message_id = serializers.CharField(read_only=True, help_text="What the header webhook-id says.")
    job = serializers.UUIDField(source="job_id", read_only=True, allow_null=True)

    class Meta:
        model = WebhookDelivery
        fields = [
            "id",
            "message_id",
            "event",
            "job",
            "state",
            "attempts",
            "created_at",
            "tried_at",
            "due_at",
            "status",
            "duration_ms",
            "answer",
        ]


class MailChoice(serializers.Serializer[Any]):
    wants = serializers.ChoiceField(choices=NoticeChoice.Wants.choices)
