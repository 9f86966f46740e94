from django.urls import path

from apps.delivery import api_views

urlpatterns = [
    path("deployments", api_views.DeploymentList.as_view(), name="api-deployment-list"),
    path("deployments/<uuid:deployment>", api_views.DeploymentDetail.as_view(), name="api-deployment"),
    path("deployments/<uuid:deployment>/revisions", api_views.RevisionList.as_view(), name="api-revision-list"),
    path("deployments/<uuid:deployment>/rollback", api_views.Rollback.as_view(), name="api-rollback"),
    path("installations", api_views.InstallationList.as_view(), name="api-installation-list"),
]
