from django.urls import path

from apps.jobs.notices import api

WEBHOOK = "webhooks/<uuid:webhook>"

urlpatterns = [
    path("notices", api.MailChoiceDetail.as_view(), name="api-notices"),
    path("webhooks", api.WebhookList.as_view(), name="api-webhook-list"),
    path(WEBHOOK, api.WebhookDetail.as_view(), name="api-webhook"),
    path(f"{WEBHOOK}/rotate", api.WebhookRotate.as_view(), name="api-webhook-rotate"),
    path(f"{WEBHOOK}/test", api.WebhookTest.as_view(), name="api-webhook-test"),
    path(f"{WEBHOOK}/deliveries", api.DeliveryList.as_view(), name="api-webhook-delivery-list"),
    path("webhook-deliveries/<uuid:delivery>/again", api.DeliveryAgain.as_view(), name="api-webhook-delivery-again"),
]
