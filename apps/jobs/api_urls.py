from django.urls import include, path

from apps.jobs import api

urlpatterns = [
    path("", include("apps.jobs.notices.api_urls")),
    path("", include("apps.jobs.schedules.api_urls")),
    path("jobs", api.JobList.as_view(), name="api-job-list"),
    path("jobs/bulk", api.JobBulk.as_view(), name="api-job-bulk"),
    path("jobs/<uuid:job>", api.JobDetail.as_view(), name="api-job"),
    path("jobs/<uuid:job>/events", api.JobEvents.as_view(), name="api-job-events"),
    path("jobs/<uuid:job>/cancel", api.JobCancel.as_view(), name="api-job-cancel"),
    path("jobs/<uuid:job>/priority", api.JobPriority.as_view(), name="api-job-priority"),
    path("jobs/<uuid:job>/resume", api.JobResume.as_view(), name="api-job-resume"),
    path("jobs/<uuid:job>/retry", api.JobRetry.as_view(), name="api-job-retry"),
]
