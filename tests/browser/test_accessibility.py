"""axe-core where the journey does not go: what is empty, what went wrong, the operators' pages, the API reader."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.axe import look_at, problems_of, problems_on

# Runs inside of the platform under test: a tenant with a row of every kind, and one with nothing.
SEED = """
from django.utils import timezone
from apps.accounts.models import Role
from apps.datasets.models import DatasetVersion, Upload
from apps.jobs.models import Job
from apps.models.models import ModelVersion
from apps.projects.models import Project
from django.contrib import admin
from django.urls import reverse
from tests.access.world import make_world

world = make_world("axe")
project, owner = world.project, world.people[Role.OWNER]
owner.is_staff = owner.is_superuser = True
owner.save()
Project.across_tenants.create(organization=project.organization, name="Nothing yet", slug="nothing-yet")
error = {"error_code": "bad_archive", "error_message": "No image could be read.", "finished_at": timezone.now()}

def job(kind, state):
    return Job.across_tenants.create(project=project, kind=kind, title=f"A job that is {state}", state=state, **error)

data = DatasetVersion.objects.for_project(project).get()
upload = Upload.objects.for_project(project).filter(purpose="dataset", state="verified").first()
failed = DatasetVersion.across_tenants.create(
    project=project, dataset=data.dataset, number=2, state="failed", upload=upload, job=job("import", "failed"))
model = ModelVersion.objects.for_project(project).get().model
problems = [{"code": "flex_operator", "message": "The file has the operator FlexErf."}]
refused = ModelVersion.across_tenants.create(
    project=project, model=model, number=2, state="refused", origin="uploaded", check_job=job("check", "succeeded"),
    compatibility={"ok": False, "problems": problems})
broke = ModelVersion.across_tenants.create(
    project=project, model=model, number=3, state="refused", origin="uploaded", check_job=job("check", "failed"))
here = f"/o/axe/p/{project.slug}"
jobs = [f"{here}/jobs/{job('train', state).pk}/" for state in ("failed", "cancelled", "succeeded")]
pages = [f"{here}/dataset-versions/{failed.pk}/", f"{here}/model-versions/{refused.pk}/",
         f"{here}/model-versions/{broke.pk}/", *jobs]
admins = ["/admin/"]
for model in admin.site._registry:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    admins.append(reverse(f"{name}_changelist"))
    row = getattr(model, "across_tenants", model._default_manager).first()
    if row is not None and model.__module__.startswith("apps."):
        admins.append(reverse(f"{name}_change", args=[row.pk]))
seeded = {"pages": pages, "admin": admins}
"""
EMPTY = ["", "datasets/", "training/", "models/", "deployments/", "deployments/new/", "devices/", "analytics/"]
EMPTY += ["jobs/", "keys/"]


# What other people's pages have of themselves, and why it stays: rule → reason.
OF_THE_ADMIN = {
    "link-in-text-block": "Django's own sentence below a person's password; the theme tells its link by colour alone",
}
OF_SWAGGER_UI = {
    "color-contrast": "its badges of methods, its version and its button are white on light colours; not ours to style",
    "nested-interactive": "each operation's heading is a button with a button for its link in it",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_empty_and_what_went_wrong(open_page: Callable[..., Page], seed: dict, state, scheme: str) -> None:
    page = open_page(state=state, scheme=scheme)
    addresses = [*(f"/o/axe/p/nothing-yet/{path}" for path in EMPTY), *seed["pages"]]
    problems = [problem for address in addresses for problem in problems_on(page, address)]
    assert not problems, "\n".join(problems)


def test_operators_pages(open_page: Callable[..., Page], seed: dict, state) -> None:
    page = open_page(state=state)
    found = [finding for address in seed["admin"] for finding in look_at(page, address)]
    only_exceptions(found, OF_THE_ADMIN)


def test_the_api_reader(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto("/api/docs/")
    page.locator(".opblock").first.wait_for()
    only_exceptions(problems_of(page), OF_SWAGGER_UI)


def only_exceptions(found: list[tuple[str, str]], exceptions: dict[str, str]) -> None:
    """Nothing but the exceptions is found, and none of them has become needless."""
    problems = [problem for rule, problem in found if rule not in exceptions]
    assert not problems, "\n".join(problems)
    assert {rule for rule, _ in found} == set(exceptions)
