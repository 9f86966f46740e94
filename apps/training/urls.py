from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("training/", lambda request, **kwargs: HttpResponse("run-list"), name="run-list"),
]
