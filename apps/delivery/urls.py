from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("deployments/", lambda request, **kwargs: HttpResponse("deployment-list"), name="deployment-list"),
    path("devices/", lambda request, **kwargs: HttpResponse("installation-list"), name="installation-list"),
]
