from django.urls import path

from apps.projects.file_views import file_link
from apps.projects.views import audit, invitations, keys, members, organizations, projects

ORGANIZATION = "o/<slug:organization>/"
PROJECT = "o/<slug:organization>/p/<slug:project>/"

urlpatterns = [
    path("organizations/new/", organizations.create, name="organization-create"),
    path("invitations/<str:token>/", invitations.show, name="invitation"),
    path(ORGANIZATION, organizations.show, name="organization"),
    path(f"{ORGANIZATION}settings/", organizations.settings, name="organization-settings"),
    path(f"{ORGANIZATION}leave/", organizations.leave, name="organization-leave"),
    path(f"{ORGANIZATION}members/", members.show_all, name="member-list"),
    path(f"{ORGANIZATION}members/<uuid:member>/role/", members.set_role, name="member-role"),
    path(f"{ORGANIZATION}members/<uuid:member>/remove/", members.remove, name="member-remove"),
    path(f"{ORGANIZATION}invitations/<uuid:invitation>/revoke/", members.revoke, name="invitation-revoke"),
    path(f"{ORGANIZATION}audit/", audit.show, name="audit"),
    path(f"{ORGANIZATION}projects/new/", projects.create, name="project-create"),
    path(f"{PROJECT}settings/", projects.settings, name="project-settings"),
    path(f"{PROJECT}keys/", keys.show_all, name="key-list"),
    path(f"{PROJECT}keys/new/", keys.create, name="key-create"),
    path(f"{PROJECT}keys/<uuid:key>/revoke/", keys.revoke, name="key-revoke"),
    path("files/<str:token>", file_link, name="file-link"),
]
