from django.urls import path

from apps.training import compare_views, file_views, views
from apps.training.studies.urls import urlpatterns as study_urls
from apps.training.tensorboard.urls import urlpatterns as tensorboard_urls

urlpatterns = [
    path("training/", views.show_all, name="run-list"),
    path("training/new/", views.create, name="run-create"),
    path("training/new/spec/", views.edit_spec, name="run-spec"),
    path("training/files/", file_views.show_all, name="file-list"),
    path("training/files/<uuid:file>/", file_views.download, name="file"),
    path("training/files/<uuid:file>/delete/", file_views.remove, name="file-delete"),
    path("training/compare/", compare_views.compare, name="run-compare"),
    path("training/metrics.csv", compare_views.download, {"extension": "csv"}, name="run-metrics-csv"),
    path("training/metrics.json", compare_views.download, {"extension": "json"}, name="run-metrics-json"),
    *study_urls,
    *tensorboard_urls,
    path("training/<uuid:run>/", views.show, name="run"),
    path("training/<uuid:run>/spec.yaml", views.download_spec, name="run-spec-file"),
]
