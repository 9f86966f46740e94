from django.urls import path

from apps.analytics import device_views

urlpatterns = [path("events", device_views.EventsView.as_view(), name="device-events")]
