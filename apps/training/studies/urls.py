from django.urls import path

from apps.training.studies import views

urlpatterns = [
    path("training/studies/", views.show_all, name="study-list"),
    path("training/studies/new/", views.create, name="study-create"),
    path("training/studies/<uuid:study>/", views.show, name="study"),
    path("training/studies/<uuid:study>/pause/", views.pause, name="study-pause"),
    path("training/studies/<uuid:study>/continue/", views.resume, name="study-continue"),
    path("training/studies/<uuid:study>/cancel/", views.cancel, name="study-cancel"),
    path("training/studies/<uuid:study>/change/", views.change, name="study-change"),
]
