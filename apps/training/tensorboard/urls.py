from django.urls import path

from apps.training.tensorboard import views

urlpatterns = [
    path("training/tensorboard/", views.open_one, name="tensorboard"),
    path("training/tensorboard/<str:token>/", views.show, {"path": ""}, name="tensorboard-page"),
    path("training/tensorboard/<str:token>/<path:path>", views.show, name="tensorboard-part"),
]
