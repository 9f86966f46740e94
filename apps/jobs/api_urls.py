from django.urls import path

from apps.jobs import api

urlpatterns = [
    path("jobs", api.JobList.as_view(), name="api-job-list"),
    path("jobs/<uuid:job>", api.JobDetail.as_view(), name="api-job"),
    path("jobs/<uuid:job>/events", api.JobEvents.as_view(), name="api-job-events"),
    path("jobs/<uuid:job>/cancel", api.JobCancel.as_view(), name="api-job-cancel"),
]
