from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("models/", lambda request, **kwargs: HttpResponse("model-list"), name="model-list"),
]
