from django.urls import path

from apps.models import views

urlpatterns = [
    path("models/", views.show_all, name="model-list"),
    path("models/new/", views.create, name="model-create"),
    path("models/<uuid:model>/", views.show, name="model"),
    path("models/<uuid:model>/upload/", views.upload_version, name="model-version-upload"),
    path("model-versions/<uuid:version>/", views.show_version, name="model-version"),
    path("models/<uuid:model>/delete/", views.remove, name="model-delete"),
    path("model-versions/<uuid:version>/delete/", views.remove_version, name="model-version-delete"),
    path("model-versions/<uuid:version>/check/", views.repeat_check, name="model-version-check"),
    path("artifacts/<uuid:artifact>/", views.download, name="artifact-file"),
]
