from django.urls import path

from apps.jobs import views

urlpatterns = [
    path("jobs/", views.show_all, name="job-list"),
    path("jobs/<uuid:job>/", views.show, name="job"),
    path("jobs/<uuid:job>/cancel/", views.cancel, name="job-cancel"),
    path("jobs/<uuid:job>/resume/", views.resume, name="job-resume"),
    path("jobs/<uuid:job>/retry/", views.retry, name="job-retry"),
]
