from django.urls import path

from apps.datasets import views

urlpatterns = [
    path("datasets/", views.show_all, name="dataset-list"),
    path("datasets/new/", views.create, name="dataset-create"),
    path("datasets/<uuid:dataset>/", views.show, name="dataset"),
    path("datasets/<uuid:dataset>/delete/", views.delete, name="dataset-delete"),
    path("dataset-versions/<uuid:version>/", views.show_version, name="dataset-version"),
    path("dataset-versions/<uuid:version>/delete/", views.delete_version, name="dataset-version-delete"),
    path("dataset-versions/<uuid:version>/files/<path:path>", views.download, name="dataset-version-file"),
]
