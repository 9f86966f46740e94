from django.urls import path

from apps.jobs.schedules import api

SCHEDULE = "schedules/<uuid:schedule>"

urlpatterns = [
    path("schedules", api.ScheduleList.as_view(), name="api-schedule-list"),
    path(SCHEDULE, api.ScheduleDetail.as_view(), name="api-schedule"),
    path(f"{SCHEDULE}/run", api.ScheduleRun.as_view(), name="api-schedule-run"),
]
