from __future__ import annotations

import pytest

from apps.errors import Refused
from apps.models.models import RegisteredModel
from apps.models.services import register_model
from apps.projects.models import AuditEntry


def test_short_name_is_made_of_the_name_and_the_change_is_recorded(access):
    model = register_model(access=access, name="  Digit Reader ", description="Reads digits")
    assert (model.name, model.slug, model.description) == ("Digit Reader", "digit-reader", "Reads digits")
    entry = AuditEntry.across_tenants.get(action="model.registered")
    assert (entry.user, entry.target_id, entry.details) == (access.user, str(model.pk), {"slug": "digit-reader"})


@pytest.mark.parametrize(
    ("name", "slug", "field"),
    [
        ("", "", "name"),
        ("x" * 101, "", "name"),
        ("数字", "", "slug"),
        ("Fine", "Not Fine", "slug"),
        ("Fine", "-x", "slug"),
    ],
)
def test_bad_name_is_refused_beside_its_field(access, name, slug, field):
    with pytest.raises(Refused) as caught:
        register_model(access=access, name=name, slug=slug)
    assert [detail["field"] for detail in caught.value.details] == [field]
    assert "Received: " in caught.value.message
    assert not RegisteredModel.across_tenants.exists()


def test_taken_short_name_is_refused_and_nothing_is_recorded(access, model):
    with pytest.raises(Refused, match="'pets'") as caught:
        register_model(access=access, name="Pets")
    assert (caught.value.code, caught.value.status) == ("slug_taken", 409)
    assert not AuditEntry.across_tenants.exists()


def test_same_short_name_is_free_in_another_project(access, model, organization):
    from apps.projects.models import Project

    other = Project.across_tenants.create(organization=organization, name="Other", slug="other")
    RegisteredModel.across_tenants.create(project=other, name="Pets", slug="pets")
