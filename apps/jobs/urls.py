from django.urls import include, path

from apps.jobs import views

urlpatterns = [
    path("settings/", include("apps.jobs.notices.urls")),
    path("jobs/", views.show_all, name="job-list"),
    path("jobs/schedules/", include("apps.jobs.schedules.urls")),
    path("jobs/bulk/", views.bulk, name="job-bulk"),
    path("jobs/<uuid:job>/", views.show, name="job"),
    path("jobs/<uuid:job>/cancel/", views.cancel, name="job-cancel"),
    path("jobs/<uuid:job>/priority/", views.prioritize, name="job-priority"),
    path("jobs/<uuid:job>/resume/", views.resume, name="job-resume"),
    path("jobs/<uuid:job>/retry/", views.retry, name="job-retry"),
]
