from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("analytics/", lambda request, **kwargs: HttpResponse("analytics"), name="analytics"),
]
