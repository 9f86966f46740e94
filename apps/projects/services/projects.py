from __future__ import annotations

from django.db import IntegrityError, transaction

from apps.projects.access import Access
from apps.projects.audit import record, record_for
from apps.projects.models import Project
from apps.projects.services.names import choose_slug, slug_taken, tidy_name


def create_project(*, access: Access, name: str, slug: str = "") -> Project:
    """A new project of the organization. Without `slug` one is made of the name. Raises Refused("slug_taken")."""
    organization = access.organization
    slug = choose_slug(Project.objects.for_organization(organization), name, slug, fallback="project")
    try:
        with transaction.atomic():
            project = Project.across_tenants.create(organization=organization, name=tidy_name(name), slug=slug)
            record_for(organization, "project.created", project, project=project, user=access.user, slug=slug)
    except IntegrityError:  # somebody took the same slug in between
        raise slug_taken(slug) from None
    return project


@transaction.atomic
def rename_project(*, access: Access, name: str) -> Project:
    """Change what people read; slug and id stay, so that no address and no program breaks."""
    project: Project = Project.across_tenants.select_for_update().get(pk=access.project.pk)
    before, project.name = project.name, tidy_name(name)
    if project.name != before:
        project.save(update_fields=["name"])
        record(access, "project.renamed", project, before=before)
    return project
