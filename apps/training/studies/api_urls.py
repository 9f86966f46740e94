from django.urls import path

from apps.training.studies import api

urlpatterns = [
    path("studies", api.StudyList.as_view(), name="api-study-list"),
    path("studies/<uuid:study>", api.StudyDetail.as_view(), name="api-study"),
    path("studies/<uuid:study>/trials", api.TrialList.as_view(), name="api-trial-list"),
    path("studies/<uuid:study>/pause", api.StudyPause.as_view(), name="api-study-pause"),
    path("studies/<uuid:study>/continue", api.StudyContinue.as_view(), name="api-study-continue"),
    path("studies/<uuid:study>/cancel", api.StudyCancel.as_view(), name="api-study-cancel"),
]
