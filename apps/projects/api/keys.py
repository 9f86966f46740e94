from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.projects.access import ProjectAPIView
from apps.projects.models import ApiKey, Scope
from apps.projects.services.keys import create_key, revoke_key


class KeyOut(serializers.ModelSerializer[ApiKey]):
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))

    class Meta:
        model = ApiKey
        fields = ["id", "name", "kind", "prefix", "scopes", "created_at", "last_used_at", "revoked_at"]


class NewKeyOut(KeyOut):
    """`secret` is shown in this answer and never again."""

    secret = serializers.CharField()

    class Meta(KeyOut.Meta):
        fields = [*KeyOut.Meta.fields, "secret"]


class KeyIn(serializers.Serializer[None]):
    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(choices=ApiKey.Kind.choices)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), default=list, help_text="Of server keys: at least one."
    )


class KeyList(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "POST": Role.DEVELOPER}
    scopes = {}

    @extend_schema(responses=KeyOut(many=True))
    def get(self, request: Request, project: UUID) -> Response:
        """The project's keys, newest first, revoked ones too."""
        return self.get_paginated_response(KeyOut(self.paginate_queryset(self.access.query(ApiKey)), many=True).data)

    @extend_schema(request=KeyIn, responses={201: NewKeyOut})
    def post(self, request: Request, project: UUID) -> Response:
        """Make a key. Its secret is in this answer and never shown again. Only people make keys."""
        body = KeyIn(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        new = create_key(access=self.access, name=data["name"], kind=ApiKey.Kind(data["kind"]), scopes=data["scopes"])
        return Response({**KeyOut(new.key).data, "secret": new.secret}, status=status.HTTP_201_CREATED)


class KeyDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "DELETE": Role.DEVELOPER}
    scopes = {}

    @extend_schema(responses=KeyOut)
    def get(self, request: Request, project: UUID, key: UUID) -> Response:
        """One key, without its secret."""
        return Response(KeyOut(self.access.get(ApiKey, key)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: UUID, key: UUID) -> Response:
        """Revoke the key: from now on the key opens nothing."""
        revoke_key(access=self.access, key=self.access.get(ApiKey, key))
        return Response(status=status.HTTP_204_NO_CONTENT)
