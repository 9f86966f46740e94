from django.urls import path

from apps.delivery import device_views

urlpatterns = [
    path("manifest", device_views.ManifestView.as_view(), name="device-manifest"),
    path("root/<int:number>", device_views.RootView.as_view(), name="device-root"),
    path("models/<uuid:version>/file", device_views.ModelFileView.as_view(), name="device-model-file"),
]
