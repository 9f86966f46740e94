from django.urls import path

from apps.projects.api import audit, keys, members, organizations, projects

ORGANIZATION = "organizations/<slug:organization>"
PROJECT = "projects/<uuid:project>"

urlpatterns = [
    path("organizations", organizations.OrganizationList.as_view(), name="api-organization-list"),
    path(ORGANIZATION, organizations.OrganizationDetail.as_view(), name="api-organization"),
    path(f"{ORGANIZATION}/projects", projects.ProjectList.as_view(), name="api-project-list"),
    path(f"{ORGANIZATION}/members", members.MemberList.as_view(), name="api-member-list"),
    path(f"{ORGANIZATION}/members/<uuid:member>", members.MemberDetail.as_view(), name="api-member"),
    path(f"{ORGANIZATION}/invitations", members.InvitationList.as_view(), name="api-invitation-list"),
    path(f"{ORGANIZATION}/invitations/<uuid:invitation>", members.InvitationDetail.as_view(), name="api-invitation"),
    path(f"{ORGANIZATION}/audit", audit.AuditLog.as_view(), name="api-audit"),
    path(PROJECT, projects.ProjectDetail.as_view(), name="api-project"),
    path(f"{PROJECT}/keys", keys.KeyList.as_view(), name="api-key-list"),
    path(f"{PROJECT}/keys/<uuid:key>", keys.KeyDetail.as_view(), name="api-key"),
]
