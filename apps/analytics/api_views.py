"""The team API: what devices reported."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.analytics.figures import VersionFigures, confusion_matrix, version_figures
from apps.analytics.models import Event
from apps.models.models import ModelVersion
from apps.projects.access import ProjectAPIView


class FeedbackOut(serializers.Serializer[None]):
    count = serializers.IntegerField()
    correct = serializers.IntegerField()
    accuracy = serializers.FloatField(allow_null=True, help_text="correct / count; null without feedback.")


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
    confusion_matrix = ConfusionOut(allow_null=True)


class VersionAnalytics(ProjectAPIView):
    @extend_schema(responses=VersionAnalyticsOut)
    def get(self, request: Request, project: UUID, version: UUID) -> Response:
        """What devices reported of one version, ever."""
        found = self.access.get(ModelVersion, version)
        events = self.access.query(Event).filter(version=found)
        figures = version_figures(events).get(found.pk, VersionFigures(dict.fromkeys(Event.Type.values, 0)))
        return Response(
            {
                "version": found.pk,
                "events": figures.events,
                "feedback": {
                    "count": figures.feedback.count,
                    "correct": figures.feedback.correct,
                    "accuracy": figures.feedback.accuracy,
                },
                "latency_ms": {"p50": figures.latency.p50, "p95": figures.latency.p95},
                "installations": figures.installations,
                "confusion_matrix": confusion_matrix(events, found),
            }
        )
