from django.urls import path

from apps.training import api, file_api, series_api
from apps.training.studies.api_urls import urlpatterns as study_urls

urlpatterns = [
    path("training-runs", api.RunList.as_view(), name="api-run-list"),
    path("training-runs/metrics.csv", series_api.SeriesCsv.as_view(), name="api-run-metrics-csv"),
    path("training-runs/metrics.json", series_api.SeriesJson.as_view(), name="api-run-metrics-json"),
    *study_urls,
    path("training-runs/<uuid:run>", api.RunDetail.as_view(), name="api-run"),
    path("files", file_api.SpecFileList.as_view(), name="api-file-list"),
    path("files/<uuid:file>", file_api.SpecFileDetail.as_view(), name="api-file"),
    path("files/<uuid:file>/content", file_api.SpecFileContent.as_view(), name="api-file-content"),
]
