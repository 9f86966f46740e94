"""The team API of notices. As with keys, only people make and change them."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.jobs.notices.models import Webhook, WebhookDelivery
from apps.jobs.notices.serializers import DeliveryOut, MailChoice, NewWebhookOut, WebhookIn, WebhookOut
from apps.jobs.notices.services import (
    NewSecret,
    change_webhook,
    choice_of,
    choose_mails,
    create_webhook,
    delete_webhook,
    rotate_secret,
    send_again,
    send_test,
)
from apps.projects.access import ProjectAPIView


class MailChoiceDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "PUT": Role.VIEWER}
    scopes = {}

    @extend_schema(operation_id="notices_retrieve", responses=MailChoice)
    def get(self, request: Request, project: UUID) -> Response:
        """Of which jobs of the project you get mails."""
        return Response({"wants": choice_of(self.access)})

    @extend_schema(operation_id="notices_update", request=MailChoice, responses=MailChoice)
    def put(self, request: Request, project: UUID) -> Response:
        """Choose of which jobs of the project you get mails. It concerns nobody else."""
        body = MailChoice(data=request.data)
        body.is_valid(raise_exception=True)
        choose_mails(access=self.access, wants=body.validated_data["wants"])
        return Response(body.validated_data)


class WebhookList(ProjectAPIView):
    needs = {"GET": Role.DEVELOPER, "POST": Role.DEVELOPER}
    scopes = {}

    @extend_schema(operation_id="webhooks_list", responses=WebhookOut(many=True))
    def get(self, request: Request, project: UUID) -> Response:
        """Webhooks of the project, newest first."""
        return self.get_paginated_response(
            WebhookOut(self.paginate_queryset(self.access.query(Webhook)), many=True).data
        )

    @extend_schema(operation_id="webhooks_create", request=WebhookIn, responses={201: NewWebhookOut})
    def post(self, request: Request, project: UUID) -> Response:
        """Make a webhook. Its secret is in this answer and never shown again."""
        body = WebhookIn(data=request.data)
        body.is_valid(raise_exception=True)
        new = create_webhook(access=self.access, **body.validated_data)
        return Response(_shown(new), status=status.HTTP_201_CREATED)


class WebhookDetail(ProjectAPIView):
    needs = {"GET": Role.DEVELOPER, "PATCH": Role.DEVELOPER, "DELETE": Role.DEVELOPER}
    scopes = {}

    @extend_schema(operation_id="webhooks_retrieve", responses=WebhookOut)
    def get(self, request: Request, project: UUID, webhook: UUID) -> Response:
        """One webhook, without its secret."""
        return Response(WebhookOut(self.access.get(Webhook, webhook)).data)

    @extend_schema(operation_id="webhooks_update", request=WebhookIn, responses=WebhookOut)
    def patch(self, request: Request, project: UUID, webhook: UUID) -> Response:
        """Change what is given. Switching it on makes it forget its failures."""
        found = self.access.get(Webhook, webhook)
        body = WebhookIn(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        now = {name: getattr(found, name) for name in ("url", "events", "kinds", "enabled")}
        changed = change_webhook(access=self.access, webhook=found, **(now | body.validated_data))
        return Response(WebhookOut(changed).data)

    @extend_schema(operation_id="webhooks_destroy", responses={204: None})
    def delete(self, request: Request, project: UUID, webhook: UUID) -> Response:
        """Remove the webhook and its log."""
        delete_webhook(access=self.access, webhook=self.access.get(Webhook, webhook))
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookRotate(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {}

    @extend_schema(operation_id="webhooks_rotate", request=None, responses=NewWebhookOut)
    def post(self, request: Request, project: UUID, webhook: UUID) -> Response:
        """Make a new secret. For 24 hours messages carry the signatures of both, the old and the new one."""
        return Response(_shown(rotate_secret(access=self.access, webhook=self.access.get(Webhook, webhook))))


class WebhookTest(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {}

    @extend_schema(operation_id="webhooks_test", request=None, responses={202: DeliveryOut})
    def post(self, request: Request, project: UUID, webhook: UUID) -> Response:
        """Send a message of the type "test" within seconds. Its answer is in the list of deliveries."""
        delivery = send_test(access=self.access, webhook=self.access.get(Webhook, webhook))
        return Response(DeliveryOut(delivery).data, status=status.HTTP_202_ACCEPTED)


class DeliveryList(ProjectAPIView):
    needs = {"GET": Role.DEVELOPER}
    scopes = {}

    @extend_schema(operation_id="webhook_deliveries_list", responses=DeliveryOut(many=True))
    def get(self, request: Request, project: UUID, webhook: UUID) -> Response:
        """What was sent to the webhook in the last 30 days and what waits, newest first."""
        found = self.access.get(Webhook, webhook)
        log = self.access.query(WebhookDelivery).filter(webhook=found).defer("body")
        return self.get_paginated_response(DeliveryOut(self.paginate_queryset(log), many=True).data)


class DeliveryAgain(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {}

    @extend_schema(operation_id="webhook_deliveries_again", request=None, responses={202: DeliveryOut})
    def post(self, request: Request, project: UUID, delivery: UUID) -> Response:
        """Send the message again, under the same id."""
        found = send_again(access=self.access, delivery=self.access.get(WebhookDelivery, delivery))
        return Response(DeliveryOut(found).data, status=status.HTTP_202_ACCEPTED)


def _shown(new: NewSecret) -> dict[str, object]:
    return {**WebhookOut(new.webhook).data, "secret": new.secret}
