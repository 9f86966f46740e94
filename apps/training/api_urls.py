from django.urls import path

from apps.training import api, file_api

urlpatterns = [
    path("training-runs", api.RunList.as_view(), name="api-run-list"),
    path("training-runs/<uuid:run>", api.RunDetail.as_view(), name="api-run"),
    path("files", file_api.SpecFileList.as_view(), name="api-file-list"),
    path("files/<uuid:file>", file_api.SpecFileDetail.as_view(), name="api-file"),
    path("files/<uuid:file>/content", file_api.SpecFileContent.as_view(), name="api-file-content"),
]
