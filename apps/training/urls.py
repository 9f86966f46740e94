from django.urls import path

from apps.training import views

urlpatterns = [
    path("training/", views.show_all, name="run-list"),
    path("training/new/", views.create, name="run-create"),
    path("training/new/spec/", views.edit_spec, name="run-spec"),
    path("training/<uuid:run>/", views.show, name="run"),
]
