from __future__ import annotations

import html
from uuid import UUID, uuid4

import pytest

from apps.delivery.installations import see_installation
from apps.delivery.services import publish
from apps.delivery.snapshot import Attributes
from tests.delivery.rows import make_version
from tests.delivery.test_deployment_pages import device_with


@pytest.fixture
def url(project) -> str:
    return f"/o/{project.organization.slug}/p/{project.slug}/devices/"


def text_of(answer) -> str:
    return html.unescape(answer.content.decode())


def test_it_says_who_has_what_and_was_seen_when(page_of, viewer, url, project, version):
    key = uuid4()
    see_installation(project, Attributes(installation=key, app_version="2.3.0", platform="linux", device_model="Pi 5"))
    page = text_of(page_of(viewer).get(url))
    assert "Pi 5" in page
    assert str(key)[:13] in page
    assert "2.3.0" in page
    assert "none yet" in page
    device_with(project, version)
    assert "Digits v1" in text_of(page_of(viewer).get(url))


def test_only_the_devices_that_have_a_version(page_of, viewer, url, project, model, version):
    second = make_version(model)
    device_with(project, version, number=1)
    device_with(project, second, number=2)
    page = text_of(page_of(viewer).get(url, {"version": str(second.pk)}))
    assert str(UUID(int=2)) in page
    assert str(UUID(int=1)) not in page
    assert str(UUID(int=1)) in text_of(page_of(viewer).get(url, {"model": str(model.pk)}))


def test_a_device_is_found_by_its_id(page_of, viewer, url, project, version):
    device_with(project, version, number=1)
    device_with(project, version, number=2)
    page = text_of(page_of(viewer).get(url, {"device": f" {UUID(int=2)} "}))
    assert str(UUID(int=2)) in page
    assert str(UUID(int=1)) not in page
    page = text_of(page_of(viewer).get(url, {"device": "42"}))
    assert "A UUID is accepted" in page
    assert "No device matches" in page


def test_the_empty_list_says_what_to_do_next(page_of, viewer, url, access, model, version):
    assert "Deploy a version first" in text_of(page_of(viewer).get(url))
    publish(access=access, model=model, version=version)
    assert "Put a device key into the application" in text_of(page_of(viewer).get(url))


def test_a_long_list_has_pages_that_keep_the_filter(page_of, viewer, url, project, version):
    for number in range(52):
        device_with(project, version, number=number + 1)
    client = page_of(viewer)
    page = client.get(url, {"version": str(version.pk)})
    assert len(page.context["page"].rows) == 50
    before = page.context["page"].next_before
    assert f"?version={version.pk}&before={before}" in text_of(page)
    assert len(client.get(url, {"version": str(version.pk), "before": str(before)}).context["page"].rows) == 2


def test_a_stranger_finds_nothing(page_of, stranger, url):
    assert page_of(stranger).get(url).status_code == 404


def test_devices_of_another_project_are_not_there(page_of, viewer, url, other_project):
    see_installation(other_project, Attributes(installation=UUID(int=5)))
    assert str(UUID(int=5)) not in text_of(page_of(viewer).get(url))


def test_it_costs_the_same_however_many_devices(page_of, viewer, url, project, version, django_assert_num_queries):
    for number in range(5):
        device_with(project, version, number=number + 1)
    client = page_of(viewer)
    # session, user, project, role; devices, their models, versions and names; versions to filter by; any deployment
    with django_assert_num_queries(10):
        client.get(url)
