from django.urls import path

from apps.models import api

urlpatterns = [
    path("models", api.ModelList.as_view(), name="api-model-list"),
    path("models/<uuid:model>", api.ModelDetail.as_view(), name="api-model"),
    path("models/<uuid:model>/versions", api.VersionList.as_view(), name="api-model-version-list"),
    path("model-versions/<uuid:version>", api.VersionDetail.as_view(), name="api-model-version"),
    path("model-versions/<uuid:version>/check", api.VersionCheck.as_view(), name="api-model-version-check"),
    path("artifacts/<uuid:artifact>/file", api.ArtifactFile.as_view(), name="api-artifact-file"),
]
