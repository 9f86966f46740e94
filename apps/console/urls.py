from django.urls import path

from apps.console import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("o/<slug:organization>/p/<slug:project>/", views.project, name="project"),
    path("healthz", views.healthz, name="healthz"),
]
