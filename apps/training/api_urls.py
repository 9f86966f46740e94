from django.urls import path

from apps.training import api

urlpatterns = [
    path("training-runs", api.RunList.as_view(), name="api-run-list"),
    path("training-runs/<uuid:run>", api.RunDetail.as_view(), name="api-run"),
]
