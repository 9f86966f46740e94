from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("datasets/", lambda request, **kwargs: HttpResponse("dataset-list"), name="dataset-list"),
]
