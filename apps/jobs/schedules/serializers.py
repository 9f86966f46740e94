"""How schedules look in the team API."""

from __future__ import annotations

from typing import Any, TypedDict

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.jobs.models import Job
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.rhythm import Every, Weekday
from apps.jobs.schedules.services import MAX_NAME


class Skipped(TypedDict):
    code: str
    message: str


class LastJobOut(serializers.ModelSerializer[Job]):
    is_over = serializers.BooleanField(read_only=True)

    class Meta:
        model = Job
        fields = ["id", "title", "state", "is_over", "created_at", "finished_at"]


class ScheduleOut(serializers.ModelSerializer[JobSchedule]):
    payload = serializers.DictField(child=serializers.CharField())
    at = serializers.TimeField(format="%H:%M")
    runs_as = serializers.SlugRelatedField[JobSchedule](slug_field="email", read_only=True, allow_null=True)
    last_job = LastJobOut(allow_null=True)
    skipped = serializers.SerializerMethodField(help_text="Why nothing was started at `last_due`, else null.")

    class Meta:
        model = JobSchedule
        fields = [
            "id",
            "name",
            "starts",
            "payload",
            "subject",
            "every",
            "weekday",
            "at",
            "zone",
            "enabled",
            "next_run",
            "last_due",
            "last_job",
            "skipped",
            "runs_as",
            "created_at",
        ]

    @extend_schema_field(Skipped | None)  # type: ignore[arg-type]
    def get_skipped(self, schedule: JobSchedule) -> Skipped | None:
        return {"code": schedule.skip_code, "message": schedule.skip_message} if schedule.skip_code else None


class ScheduleChange(serializers.Serializer[Any]):
    name = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_NAME, help_text="Made of what it starts if left out."
    )
    payload = serializers.DictField(
        child=serializers.CharField(max_length=200),
        help_text='Of `train`: `run`, the id of the training run that is started again, and `data`: "newest", the '
        'newest ready version of its dataset, or "same", its own.',
    )
    every = serializers.ChoiceField(choices=Every.choices)
    weekday = serializers.ChoiceField(
        choices=Weekday.choices, required=False, allow_blank=True, help_text="Needed for `week`, and only for that."
    )
    at = serializers.TimeField(
        format="%H:%M",
        input_formats=["%H:%M"],
        help_text="Hours and minutes on the clocks of the zone; for `hour`, only the minutes count.",
    )
    zone = serializers.CharField(max_length=64, help_text="A name of the IANA database, such as Europe/Berlin.")
    enabled = serializers.BooleanField(required=False, help_text="False: paused.")


class ScheduleIn(ScheduleChange):
    starts = serializers.CharField(max_length=40, help_text="What is started: `train`.")
