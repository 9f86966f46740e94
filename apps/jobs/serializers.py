"""How jobs and their events look to programs: in the team API and on the websocket."""

from __future__ import annotations

from typing import Any, TypedDict

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.errors import Detail
from apps.jobs.bulk import MOST_AT_ONCE, Action
from apps.jobs.models import Job, JobEvent
from apps.jobs.priorities import HIGHEST, LOWEST
from apps.jobs.restarting import can_be_resumed


class JobError(TypedDict):
    code: str
    message: str
    details: list[Detail]


class JobOut(serializers.ModelSerializer[Job]):
    created_by = serializers.SlugRelatedField[Job](slug_field="email", read_only=True, allow_null=True)
    api_key = serializers.UUIDField(source="api_key_id", read_only=True, allow_null=True)
    is_over = serializers.BooleanField(read_only=True)
    can_be_resumed = serializers.SerializerMethodField(
        help_text="Whether it was stopped or failed and has saved what it had done."
    )
    error = serializers.SerializerMethodField(help_text="Why it failed or was cancelled, else null.")

    class Meta:
        model = Job
        fields = [
            "id",
            "kind",
            "title",
            "state",
            "is_over",
            "progress",
            "progress_message",
            "seconds_left",
            "attempts",
            "max_attempts",
            "time_limit_s",
            "priority",
            "created_by",
            "api_key",
            "created_at",
            "started_at",
            "finished_at",
            "cancel_requested_at",
            "last_sequence",
            "can_be_resumed",
            "error",
        ]

    def get_can_be_resumed(self, job: Job) -> bool:
        return can_be_resumed(job)

    @extend_schema_field(JobError | None)  # type: ignore[arg-type]
    def get_error(self, job: Job) -> JobError | None:
        if not job.error_code:
            return None
        return {"code": job.error_code, "message": job.error_message, "details": job.error_details}


class JobDetailOut(JobOut):
    class Meta(JobOut.Meta):
        fields = [*JobOut.Meta.fields, "result"]


class EventOut(serializers.ModelSerializer[JobEvent]):
    class Meta:
        model = JobEvent
        fields = ["sequence", "kind", "data", "created_at"]


class EventsOut(serializers.Serializer[dict[str, Any]]):
    state = serializers.ChoiceField(choices=Job.State.choices)
    is_over = serializers.BooleanField()
    last_sequence = serializers.IntegerField(
        help_text="Of the newest event. Ask again while this is above what you got."
    )
    results = EventOut(many=True)


class BulkIn(serializers.Serializer[None]):
    action = serializers.ChoiceField(choices=Action.choices)
    jobs = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST_AT_ONCE)


class ChangedJobOut(serializers.ModelSerializer[Job]):
    """A running job that was cancelled goes on for some seconds: look at its `state` again."""

    class Meta:
        model = Job
        fields = ["id", "title", "state", "cancel_requested_at"]


class RefusedJobOut(serializers.Serializer[Any]):
    """`title` is empty where the project has no such job (`not_found`)."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class BulkOut(serializers.Serializer[Any]):
    done = ChangedJobOut(many=True)
    refused = RefusedJobOut(many=True)


class PriorityIn(serializers.Serializer[dict[str, Any]]):
    priority = serializers.IntegerField(min_value=LOWEST, max_value=HIGHEST)
