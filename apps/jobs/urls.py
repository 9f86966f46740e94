from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("jobs/", lambda request, **kwargs: HttpResponse("job-list"), name="job-list"),
]
