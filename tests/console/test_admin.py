"""The operators' admin: its dashboard, and every table and row opens, without a tenant's row being editable."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task
from django_q.signing import SignedPackage

from apps.accounts.models import User
from apps.jobs.models import Job, Worker
from apps.projects import cleaning_record
from tests.access.world import make_world

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


@pytest.fixture
def one_row_of_everything(db, operator, tmp_path, settings) -> None:
    """What has a row in no tenant is made here; the operator's own account is the person."""
    if settings.STORAGES["default"]["BACKEND"].endswith("LocalStorage"):
        settings.STORAGES = {
            **settings.STORAGES,
            "default": {**settings.STORAGES["default"], "OPTIONS": {"location": str(tmp_path)}},
        }
    make_world("ours")
    user = User.objects.get(email="operator@example.com")
    EmailAddress.objects.create(user=user, email=user.email)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "never-to-be-shown"})
    OrmQ.objects.create(key="bantam", payload=SignedPackage.dumps({"id": "1", "name": "n", "func": "f"}), lock=None)
    Schedule.objects.create(func="apps.jobs.sweep", schedule_type=Schedule.DAILY)
    cleaning_record.begin()
    Worker.objects.create(host="machine", pid=1, processes=2, sandbox="bubblewrap")
    for number, success in enumerate((True, False)):
        now = timezone.now()
        Task.objects.create(id=f"{number}", name="n", func="f", started=now, stopped=now, success=success)


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_a_row_of_every_table_opens(model, operator, one_row_of_everything):
    manager = getattr(model, "across_tenants", model._default_manager)
    row = manager.first()
    assert row is not None, f"Make a row of {model._meta.label} in tests/access/world.py or above."
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
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
