from django.urls import path

from apps.jobs.notices import views

WEBHOOK = "webhooks/<uuid:webhook>/"

urlpatterns = [
    path("notices/", views.show_all, name="notice-settings"),
    path("webhooks/new/", views.create, name="webhook-create"),
    path(WEBHOOK, views.show, name="webhook"),
    path(f"{WEBHOOK}rotate/", views.rotate, name="webhook-rotate"),
    path(f"{WEBHOOK}test/", views.test, name="webhook-test"),
    path(f"{WEBHOOK}delete/", views.delete, name="webhook-delete"),
    path("webhook-deliveries/<uuid:delivery>/again/", views.again, name="webhook-delivery-again"),
]
