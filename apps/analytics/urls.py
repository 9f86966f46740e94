from django.urls import path

from apps.analytics import views

urlpatterns = [
    path("analytics/", views.show, name="analytics"),
    path("devices/<uuid:installation>/", views.show_installation, name="installation"),
]
