"""The team API: what devices reported."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.analytics.figures import Feedback, VersionFigures, confusion_matrix, tallies_of, version_figures
from apps.analytics.models import Event
from apps.analytics.overview import DEFAULT_PERIOD, PERIODS, overview_of
from apps.models.metrics import ANSWERED
from apps.models.models import ModelVersion
from apps.projects.access import ProjectAPIView


class FeedbackOut(serializers.Serializer[None]):
    """Predictions of a regression are `measured` by how far they were off; all others are counted as right or wrong."""

    count = serializers.IntegerField(help_text="Predictions that were said to be right or wrong.")
    correct = serializers.IntegerField()
    accuracy = serializers.FloatField(allow_null=True, help_text="correct / count; null without any.")
    measured = serializers.IntegerField(help_text="Predictions of regressions for which the right value was said.")
    mean_absolute_error = serializers.FloatField(allow_null=True, help_text="Of `measured`; null without any.")


class TestMetricOut(serializers.Serializer[Any]):
    """How good whole answers are, as the server measured it on the test split: what feedback is to be held against."""

    name = serializers.ChoiceField(choices=list(ANSWERED.values()))
    value = serializers.FloatField()


class LatencyOut(serializers.Serializer[None]):
    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)


class ConfusionOut(serializers.Serializer[None]):
    labels = serializers.ListField(child=serializers.CharField())
    matrix = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="Rows are the right labels, columns the predicted ones.",
    )


class VersionAnalyticsOut(serializers.Serializer[None]):
    version = serializers.UUIDField()
    events = serializers.DictField(child=serializers.IntegerField(), help_text="Type → how many.")
    feedback = FeedbackOut()
    latency_ms = LatencyOut()
    installations = serializers.IntegerField(help_text="Devices that reported anything of this version.")
    confusion_matrix = ConfusionOut(allow_null=True, help_text="Of what was said to be right or wrong.")


class VersionAnalytics(ProjectAPIView):
    @extend_schema(responses=VersionAnalyticsOut)
    def get(self, request: Request, project: UUID, version: UUID) -> Response:
        """What devices reported of one version, ever."""
        found = self.access.get(ModelVersion, version)
        events = self.access.query(Event).filter(version=found)
        figures = version_figures(events, tallies_of(events)).get(found.pk, VersionFigures())
        return Response(_figures(found.pk, figures) | {"confusion_matrix": confusion_matrix(events, found)})


class VersionFiguresOut(serializers.Serializer[None]):
    version = serializers.UUIDField()
    model = serializers.CharField(help_text="The model's slug.")
    number = serializers.IntegerField()
    test_metric = TestMetricOut(allow_null=True)
    events = serializers.DictField(child=serializers.IntegerField())
    feedback = FeedbackOut()
    latency_ms = LatencyOut()
    installations = serializers.IntegerField()


class FailureOut(serializers.ModelSerializer[Event]):
    installation = serializers.UUIDField(source="installation.key", help_text="The id made on the device.")
    model = serializers.CharField(source="model.slug")
    version = serializers.UUIDField(source="version_id", allow_null=True)
    stage = serializers.CharField(source="data.stage")
    code = serializers.CharField(source="data.code")
    message = serializers.CharField(source="data.message", default="")

    class Meta:
        model = Event
        fields = ("installation", "model", "version", "stage", "code", "message", "occurred_at", "received_at")


class OverviewOut(serializers.Serializer[None]):
    days = serializers.ListField(child=serializers.DateField(), help_text="UTC days of arrival, oldest first.")
    events = serializers.DictField(
        child=serializers.ListField(child=serializers.IntegerField()), help_text="Type → how many on each of `days`."
    )
    installations = serializers.IntegerField(help_text="Devices that reported anything.")
    feedback = FeedbackOut()
    versions = VersionFiguresOut(many=True)
    failures = FailureOut(many=True, help_text="The newest 20.")


class OverviewIn(serializers.Serializer[None]):
    days = serializers.ChoiceField(choices=PERIODS, default=DEFAULT_PERIOD)
    model = serializers.UUIDField(required=False, help_text="Only of this model.")


class AnalyticsOverview(ProjectAPIView):
    @extend_schema(parameters=[OverviewIn], responses=OverviewOut)
    def get(self, request: Request, project: UUID) -> Response:
        """What devices reported in the last days, today included."""
        query = OverviewIn(data=request.query_params)
        query.is_valid(raise_exception=True)
        overview = overview_of(
            self.access, days=int(query.validated_data["days"]), model=query.validated_data.get("model")
        )
        return Response(
            {
                "days": overview.by_day["days"],
                "events": overview.by_day["series"],
                "installations": overview.devices,
                "feedback": _feedback(overview.feedback),
                "versions": [
                    _figures(row.version.pk, row.figures)
                    | {
                        "model": row.version.model.slug,
                        "number": row.version.number,
                        "test_metric": {"name": row.on_test.name, "value": row.on_test.value} if row.on_test else None,
                    }
                    for row in overview.versions
                ],
                "failures": FailureOut(overview.failures, many=True).data,
            }
        )


def _figures(version: UUID, figures: VersionFigures) -> dict[str, Any]:
    return {
        "version": version,
        "events": figures.events,
        "feedback": _feedback(figures.feedback),
        "latency_ms": {"p50": figures.latency.p50, "p95": figures.latency.p95},
        "installations": figures.installations,
    }


def _feedback(feedback: Feedback) -> dict[str, Any]:
    names = ("count", "correct", "accuracy", "measured", "mean_absolute_error")
    return {name: getattr(feedback, name) for name in names}
