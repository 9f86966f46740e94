from django.urls import path

from apps.jobs.consumers import JobConsumer

websocket_urlpatterns = [
    path("ws/o/<slug:organization>/p/<slug:project>/jobs/<uuid:job>/", JobConsumer.as_asgi(), name="job-live"),
]
