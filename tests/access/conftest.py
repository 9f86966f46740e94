from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import transaction
from django.test import override_settings

from tests.access.world import World, make_world


@pytest.fixture(scope="module")
def worlds(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[tuple[World, World]]:
    """Two tenants, made once for all lines and taken back at the end; each request is taken back by the test."""
    storages = dict(settings.STORAGES)
    if storages["default"]["BACKEND"].endswith("LocalStorage"):
        storages["default"] = {**storages["default"], "OPTIONS": {"location": str(tmp_path_factory.mktemp("media"))}}
    with override_settings(STORAGES=storages), django_db_blocker.unblock(), transaction.atomic():
        yield make_world("ours"), make_world("theirs")
        transaction.set_rollback(True)
