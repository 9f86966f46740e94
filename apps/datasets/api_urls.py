from django.urls import path

from apps.datasets import api

urlpatterns = [
    path("uploads", api.UploadList.as_view(), name="api-upload-list"),
    path("uploads/<uuid:upload>", api.UploadDetail.as_view(), name="api-upload"),
    path("uploads/<uuid:upload>/complete", api.UploadComplete.as_view(), name="api-upload-complete"),
    path("datasets", api.DatasetList.as_view(), name="api-dataset-list"),
    path("datasets/<uuid:dataset>", api.DatasetDetail.as_view(), name="api-dataset"),
    path("datasets/<uuid:dataset>/versions", api.VersionList.as_view(), name="api-dataset-version-list"),
    path("dataset-versions/<uuid:version>", api.VersionDetail.as_view(), name="api-dataset-version"),
    path(
        "dataset-versions/<uuid:version>/files/<path:path>", api.VersionFile.as_view(), name="api-dataset-version-file"
    ),
]
