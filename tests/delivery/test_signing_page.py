from __future__ import annotations

import html

import pytest
from tuf.api.metadata import Metadata, Root  # type: ignore[attr-defined]

from apps.accounts.models import Role
from apps.delivery.models import DeliveryState, SignedRoot


@pytest.fixture
def url(project) -> str:
    return f"/o/{project.organization.slug}/p/{project.slug}/deployments/signing/"


def test_it_shows_the_roots_and_gives_one_to_build_into_an_application(page_of, viewer, url, project):
    client = page_of(viewer)
    page = client.get(url).content.decode()
    root = Metadata[Root].from_bytes(bytes(SignedRoot.objects.for_project(project).get().metadata)).signed
    assert root.roles["targets"].keyids[0][:16] in page
    assert "Exchange the keys" not in page
    answer = client.get(f"{url}roots/1/")
    assert answer["Content-Disposition"] == 'attachment; filename="reader-root-1.json"'
    assert Metadata[Root].from_bytes(answer.content).signed.version == 1
    assert client.get(f"{url}roots/2/").status_code == 404


def test_an_admin_exchanges_the_keys(page_of, member, url, project):
    client = page_of(member(Role.ADMIN))
    assert "Exchange the keys" in client.get(url).content.decode()
    answer = client.post(f"{url}rotate/", follow=True)
    assert "Root 2 is signed by the old and the new key." in html.unescape(answer.content.decode())
    assert SignedRoot.objects.for_project(project).count() == 2


def test_keys_that_can_not_be_read_are_told(page_of, member, url, project, settings):
    client = page_of(member(Role.ADMIN))
    client.get(url)
    DeliveryState.objects.for_project(project).update(root_key=b"damaged")
    answer = client.post(f"{url}rotate/", follow=True)
    assert "can't be decrypted" in html.unescape(answer.content.decode())
    assert SignedRoot.objects.for_project(project).count() == 1


def test_a_developer_may_not_exchange_them(page_of, developer, url, project):
    assert page_of(developer).post(f"{url}rotate/").status_code == 403


def test_a_stranger_finds_nothing(page_of, stranger, url):
    client = page_of(stranger)
    assert client.get(url).status_code == client.post(f"{url}rotate/").status_code == 404
    assert client.get(f"{url}roots/1/").status_code == 404
