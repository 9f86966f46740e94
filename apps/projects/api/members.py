from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Invitation, Membership, Role
from apps.projects.access import OrganizationAPIView, get_invitation, get_member
from apps.projects.services.invitations import NewInvitation, invite, revoke_invitation
from apps.projects.services.members import change_role, remove_member


class MemberOut(serializers.ModelSerializer[Membership]):
    email = serializers.EmailField(source="user.email")

    class Meta:
        model = Membership
        fields = ["id", "email", "role", "created_at"]


class RoleIn(serializers.Serializer[None]):
    role = serializers.ChoiceField(choices=Role.choices)


class InvitationOut(serializers.ModelSerializer[Invitation]):
    class Meta:
        model = Invitation
        fields = ["id", "email", "role", "created_at", "expires_at"]


class NewInvitationOut(serializers.Serializer[NewInvitation]):
    """`url` is the link that was mailed; it is not shown again."""

    id = serializers.UUIDField(source="invitation.id")
    email = serializers.EmailField(source="invitation.email")
    role = serializers.ChoiceField(source="invitation.role", choices=Role.choices)
    created_at = serializers.DateTimeField(source="invitation.created_at")
    expires_at = serializers.DateTimeField(source="invitation.expires_at")
    url = serializers.URLField()


class InvitationIn(serializers.Serializer[None]):
    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=Role.choices)


class MemberList(OrganizationAPIView):
    needs = {"GET": Role.VIEWER}

    @extend_schema(responses=MemberOut(many=True))
    def get(self, request: Request, organization: str) -> Response:
        """Members with their roles, newest first."""
        members = self.access.organization.memberships.select_related("user")
        return self.get_paginated_response(MemberOut(self.paginate_queryset(members), many=True).data)


class MemberDetail(OrganizationAPIView):
    needs = {"GET": Role.VIEWER, "PATCH": Role.ADMIN, "DELETE": Role.ADMIN}

    @extend_schema(responses=MemberOut)
    def get(self, request: Request, organization: str, member: UUID) -> Response:
        """One member."""
        return Response(MemberOut(get_member(self.access, member)).data)

    @extend_schema(request=RoleIn, responses=MemberOut)
    def patch(self, request: Request, organization: str, member: UUID) -> Response:
        """Give the member another role. Only owners make, change or remove owners; one owner always stays."""
        row, body = get_member(self.access, member), RoleIn(data=request.data)
        body.is_valid(raise_exception=True)
        changed = change_role(access=self.access, member=row, role=Role(body.validated_data["role"]))
        return Response(MemberOut(changed).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, organization: str, member: UUID) -> Response:
        """Take the member out. What they made stays."""
        remove_member(access=self.access, member=get_member(self.access, member))
        return Response(status=status.HTTP_204_NO_CONTENT)


class InvitationList(OrganizationAPIView):
    needs = {"GET": Role.ADMIN, "POST": Role.ADMIN}

    @extend_schema(responses=InvitationOut(many=True))
    def get(self, request: Request, organization: str) -> Response:
        """The invitations that can still be accepted."""
        page = self.paginate_queryset(Invitation.objects.for_organization(self.access.organization).open())
        return self.get_paginated_response(InvitationOut(page, many=True).data)

    @extend_schema(request=InvitationIn, responses={201: NewInvitationOut})
    def post(self, request: Request, organization: str) -> Response:
        """Invite by email. An open invitation to the same address is replaced."""
        body = InvitationIn(data=request.data)
        body.is_valid(raise_exception=True)
        new = invite(access=self.access, email=body.validated_data["email"], role=Role(body.validated_data["role"]))
        return Response(NewInvitationOut(new).data, status=status.HTTP_201_CREATED)


class InvitationDetail(OrganizationAPIView):
    needs = {"DELETE": Role.ADMIN}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, organization: str, invitation: UUID) -> Response:
        """Withdraw the invitation: the link stops working."""
        revoke_invitation(access=self.access, invitation=get_invitation(self.access, invitation))
        return Response(status=status.HTTP_204_NO_CONTENT)
