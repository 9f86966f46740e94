"""The team API of the series of runs: what was measured while they learned, as files."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http.response import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from apps.projects.access import ProjectAPIView
from apps.training.series_files import MOST_RUNS, series_file

PARAMETERS = [
    OpenApiParameter(
        "run",
        OpenApiTypes.UUID,
        many=True,
        required=True,
        description=f"Of which runs: once or more, {MOST_RUNS} at most.",
    ),
    OpenApiParameter("series", str, many=True, description="Only series of this name, such as `student:small/loss`."),
]


class SeriesOut(serializers.Serializer[Any]):
    """The columns are of one length. `wall_times` are seconds since 1970."""

    name = serializers.CharField()
    steps = serializers.ListField(child=serializers.FloatField())
    wall_times = serializers.ListField(child=serializers.FloatField())
    values = serializers.ListField(child=serializers.FloatField())


class RunSeriesOut(serializers.Serializer[Any]):
    """`last_sequence`: of the job's newest event that is in it; its events go on after that."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    name = serializers.CharField()
    last_sequence = serializers.IntegerField()
    series = SeriesOut(many=True)


class SeriesFileOut(serializers.Serializer[Any]):
    runs = RunSeriesOut(many=True)


class SeriesJson(ProjectAPIView):
    @extend_schema(operation_id="training_runs_metrics_json", parameters=PARAMETERS, responses=SeriesFileOut)
    def get(self, request: Request, project: UUID) -> StreamingHttpResponse:
        """What runs measured while they learned, as JSON: every point of every series, streamed.

        What a resumed run measured again stands in it once.
        """
        return series_file(request._request, self.access, "json")


class SeriesCsv(ProjectAPIView):
    @extend_schema(
        operation_id="training_runs_metrics_csv", parameters=PARAMETERS, responses={(200, "text/csv"): OpenApiTypes.STR}
    )
    def get(self, request: Request, project: UUID) -> StreamingHttpResponse:
        """The same as CSV: a row for each point, with run, name, series, step, wall_time (UTC) and value."""
        return series_file(request._request, self.access, "csv")
