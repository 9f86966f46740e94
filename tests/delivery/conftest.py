from __future__ import annotations

import pytest

from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.access import Access
from apps.projects.models import ApiKey, Project
from tests.conftest import make_key
from tests.delivery.rows import access_of, make_model, make_version


@pytest.fixture(autouse=True)
def media(tmp_path, settings):
    """Local files of a test lie in its own folder."""
    if settings.STORAGES["default"]["BACKEND"].endswith("LocalStorage"):
        options = {**settings.STORAGES["default"], "OPTIONS": {"location": str(tmp_path / "media")}}
        settings.STORAGES = {**settings.STORAGES, "default": options}


@pytest.fixture
def model(project) -> RegisteredModel:
    return make_model(project)


@pytest.fixture
def version(model) -> ModelVersion:
    return make_version(model)


@pytest.fixture
def access(developer, project) -> Access:
    return access_of(developer, project)


@pytest.fixture
def other_project(stranger) -> Project:
    """A project of somebody else, in another organization."""
    organization = stranger.memberships.get().organization
    return Project.across_tenants.create(organization=organization, name="Theirs", slug="theirs")


@pytest.fixture
def other_device_key(other_project) -> str:
    return make_key(other_project, ApiKey.Kind.DEVICE, [], "dk_" + "o" * 40)
