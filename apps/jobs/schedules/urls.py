from django.urls import path

from apps.jobs.schedules import views

SCHEDULE = "<uuid:schedule>/"

urlpatterns = [
    path("", views.show_all, name="schedule-list"),
    path("new/", views.create, name="schedule-create"),
    path(SCHEDULE, views.show, name="schedule"),
    path(f"{SCHEDULE}pause/", views.pause, name="schedule-pause"),
    path(f"{SCHEDULE}resume/", views.resume, name="schedule-resume"),
    path(f"{SCHEDULE}run/", views.run, name="schedule-run"),
    path(f"{SCHEDULE}delete/", views.delete, name="schedule-delete"),
]
