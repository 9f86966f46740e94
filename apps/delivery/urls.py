from django.urls import path

from apps.delivery import installation_views, signing_views, views

urlpatterns = [
    path("deployments/", views.show_all, name="deployment-list"),
    path("deployments/new/", views.create, name="deployment-create"),
    path("deployments/signing/", signing_views.show, name="signing"),
    path("deployments/signing/rotate/", signing_views.rotate, name="signing-rotate"),
    path("deployments/signing/roots/<int:number>/", signing_views.download_root, name="signing-root"),
    path("deployments/<uuid:deployment>/", views.show, name="deployment"),
    path("deployments/<uuid:deployment>/rollback/<uuid:revision>/", views.roll_back, name="deployment-rollback"),
    path("devices/", installation_views.show_all, name="installation-list"),
]
