"""The operators' admin: its dashboard, and every table opens, without a tenant's row being editable."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from apps.jobs.models import Job

pytestmark = pytest.mark.django_db
OURS = [model for model in apps.get_models() if model.__module__.startswith("apps.")]


@pytest.fixture
def operator(make_user, page_of):
    return page_of(make_user("operator", is_staff=True, is_superuser=True))


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_model_is_registered_and_its_list_opens(model, operator):
    assert model in admin.site._registry
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    assert operator.get(url).status_code == 200


def test_dashboard_shows_tenants_jobs_storage_and_devices(operator, project, organization):
    organization.used_bytes = 5 * 2**20
    organization.save()
    Job.across_tenants.create(project=project, kind=Job.Kind.TRAIN, title="x", state=Job.State.FAILED)
    html = operator.get("/admin/").content.decode()
    for expected in ("Organizations", "Devices seen", "Storage used", "Jobs by state", "5.0 MB", "Acme"):
        assert expected in html


def test_members_are_no_operators(owner, page_of):
    assert page_of(owner).get("/admin/").status_code == 302
