from __future__ import annotations

import html
from uuid import UUID

import pytest
from django.utils import timezone

from apps.delivery.installations import installation_of, see_installation
from apps.delivery.installed import Step, note_steps
from apps.delivery.models import Deployment, DeploymentRevision, InstalledModel
from apps.delivery.services import publish
from apps.delivery.snapshot import Attributes
from tests.delivery.rows import make_model, make_version


@pytest.fixture
def url(project) -> str:
    return f"/o/{project.organization.slug}/p/{project.slug}/deployments/"


@pytest.fixture
def published(access, model, version):
    return publish(access=access, model=model, version=version, note="first")


def text_of(answer) -> str:
    return html.unescape(answer.content.decode())


def device_with(project, version, *, runtime: str = "2.20.0", number: int = 1) -> None:
    see_installation(project, Attributes(installation=UUID(int=number), runtime_version=runtime))
    installation = installation_of(project, UUID(int=number))
    note_steps(installation, [Step(version.model_id, version.pk, InstalledModel.State.LOADED, timezone.now())])


# --- List ------------------------------------------------------------------------------------------------------------


def test_the_list_says_what_goes_to_devices(page_of, viewer, url, published, project, version):
    device_with(project, version)
    text = text_of(page_of(viewer).get(url))
    assert "Digits v1" in text
    assert ">1<span" in text
    assert "Deploy</a>" not in text


def test_the_empty_list_says_what_to_do_next(page_of, developer, viewer, url, project):
    assert "through its compatibility check" in text_of(page_of(developer).get(url))
    make_version(make_model(project))
    assert "Deploy a version" in text_of(page_of(developer).get(url))
    assert "To the models" in text_of(page_of(viewer).get(url))


def test_the_list_costs_the_same_however_long(page_of, viewer, access, project, url, django_assert_num_queries):
    client = page_of(viewer)
    for slug in ("digits", "sounds", "faces"):
        version = make_version(make_model(project, slug))
        publish(access=access, model=version.model, version=version)
    with django_assert_num_queries(6):  # session, user, project, role, deployments, whether a version is ready
        client.get(url)


# --- Create ----------------------------------------------------------------------------------------------------------


def test_deploying_a_version(page_of, developer, url, model, version):
    client = page_of(developer)
    page = text_of(client.get(f"{url}new/?version={version.pk}"))
    assert f'<option value="{version.pk}" selected>' in page
    assert "The first version of Digits" in page
    answer = client.post(f"{url}new/", {"version": version.pk, "note": "first"}, follow=True)
    deployment = Deployment.objects.for_project(model.project).get()
    assert answer.redirect_chain[-1][0] == f"{url}{deployment.pk}/"
    assert "Digits v1 goes to devices now, as revision 1." in text_of(answer)


def test_it_offers_what_devices_do_not_get_yet(page_of, developer, url, model, published):
    second = make_version(model, label="medium", metrics={"test": {"accuracy": 0.972}})
    page = text_of(page_of(developer).get(f"{url}new/"))
    assert f'<option value="{second.pk}" selected>' in page
    assert "Digits v2 · medium ·" in page
    assert "Accuracy 97.20 % on the test split" in page
    assert "devices get it now" in page


def test_it_shows_which_devices_can_run_the_version(page_of, developer, url, project, model, version, published):
    device_with(project, version, runtime="2.17.0", number=1)
    device_with(project, version, runtime="2.20.0", number=2)
    newer = make_version(model, min_runtime="2.20.0")
    page = text_of(page_of(developer).get(f"{url}new/?version={newer.pk}"))
    assert "LiteRT 2.20.0 is needed" in page
    assert "no: they keep what they have" in page


def test_what_was_wrong_stands_beside_the_field(page_of, developer, url, model, version, published):
    client = page_of(developer)
    answer = client.post(f"{url}new/", {"version": version.pk})
    assert answer.status_code == 400
    assert "Devices get this version already." in text_of(answer)
    answer = client.post(f"{url}new/", {"version": make_version(model, state="checking").pk})
    assert "This is not a ready version of this project." in text_of(answer)
    assert DeploymentRevision.across_tenants.count() == 1


def test_without_a_ready_version_it_says_so(page_of, developer, url):
    assert "No version is ready" in text_of(page_of(developer).get(f"{url}new/"))


def test_a_version_of_another_project_can_not_be_deployed(page_of, developer, url, other_project):
    theirs = make_version(make_model(other_project))
    client = page_of(developer)
    assert "Digits" not in text_of(client.get(f"{url}new/?version={theirs.pk}"))
    assert client.post(f"{url}new/", {"version": theirs.pk}).status_code == 400
    assert not Deployment.across_tenants.exists()


# --- One deployment --------------------------------------------------------------------------------------------------


def test_the_page_shows_what_devices_get_have_and_had(page_of, developer, url, project, access, model, published):
    second = make_version(model, label="medium", metrics={"test": {"accuracy": 0.972}})
    publish(access=access, model=model, version=second, note="better")
    device_with(project, published.version)
    page = text_of(page_of(developer).get(f"{url}{published.deployment_id}/"))
    assert "Accuracy 97.20 % on the test split" in page
    assert "“better”" in page
    assert "Roll back to revision 1? Devices then get Digits v1 again." in page
    assert page.count("data-confirm") == 1


def test_it_says_which_key_published(page_of, viewer, url, project, published, server_key):
    DeploymentRevision.across_tenants.update(created_by=None, api_key=project.apikeys.get())
    content = page_of(viewer).get(f"{url}{published.deployment_id}/").content.decode()
    assert content.count("server key (sk_sssssss") == 2  # what is current, and in the history
    DeploymentRevision.across_tenants.update(api_key=None)
    assert content.count("a former user") == 0
    assert page_of(viewer).get(f"{url}{published.deployment_id}/").content.decode().count("a former user") == 2


def test_deploying_another_version_from_its_page(page_of, developer, url, model, published):
    second = make_version(model)
    address = f"{url}{published.deployment_id}/"
    answer = page_of(developer).post(address, {"version": second.pk, "note": "better"}, follow=True)
    assert "Digits v2 goes to devices now, as revision 2." in text_of(answer)
    refused = page_of(developer).post(address, {"version": second.pk})
    assert refused.status_code == 400
    assert "Devices get this version already." in text_of(refused)


def test_rolling_back(page_of, developer, url, access, model, version, published):
    publish(access=access, model=model, version=make_version(model))
    client = page_of(developer)
    address = f"{url}{published.deployment_id}/rollback/{published.pk}/"
    assert "Rolled back: Digits v1 goes to devices again, as revision 3." in text_of(client.post(address, follow=True))
    assert "which is what devices get now" in text_of(client.post(address, follow=True))
    assert client.get(address).status_code == 405


@pytest.mark.parametrize(
    ("runtime", "says"),
    [
        ("2.20.0", "It gets <strong>Digits v1</strong>"),
        ("2.16.0", "its runtime is older"),
        ("", "the device does not say which runtime it has"),
        ("newest", "A version such as 2.17.0 is accepted. Received: newest"),
    ],
)
def test_trying_what_a_device_would_get(page_of, viewer, url, published, runtime, says):
    answer = page_of(viewer).get(f"{url}{published.deployment_id}/", {"runtime": runtime})
    assert says in text_of(answer)


def test_a_viewer_looks_only(page_of, viewer, url, access, model, published):
    second = make_version(model)
    publish(access=access, model=model, version=second)
    client = page_of(viewer)
    page = text_of(client.get(f"{url}{published.deployment_id}/"))
    assert "Roll back" not in page
    assert "Deploy another version" not in page
    assert client.get(f"{url}new/").status_code == 403
    assert client.post(f"{url}{published.deployment_id}/", {"version": second.pk}).status_code == 403
    assert client.post(f"{url}{published.deployment_id}/rollback/{published.pk}/").status_code == 403


def test_a_stranger_finds_nothing(page_of, stranger, url, published):
    client = page_of(stranger)
    for path in ("", "new/", f"{published.deployment_id}/"):
        assert client.get(url + path).status_code == 404
    assert client.post(f"{url}{published.deployment_id}/rollback/{published.pk}/").status_code == 404


def test_the_page_costs_the_same_however_long_the_history(
    page_of, viewer, url, access, project, model, published, django_assert_num_queries
):
    client = page_of(viewer)
    for number in range(4):
        version = make_version(model)
        publish(access=access, model=model, version=version)
        device_with(project, version, number=number + 1)
    # session, user, project, role, deployment, its file, who has what and the versions, runtimes, revisions, and for
    # the form the versions with their files
    with django_assert_num_queries(12):
        client.get(f"{url}{published.deployment_id}/")


@pytest.mark.parametrize(
    ("measured", "said"),
    [({"rmse": 0.12345}, "RMSE 0.1235"), ({"token_f1": 0.75, "accuracy": 0.9}, "Token F1 75.00 %")],
)
def test_each_task_is_named_by_its_own_figure(page_of, developer, url, access, version, measured, said):
    version.metrics = {"test": measured}
    version.save()
    assert f"{said} on the test split" in page_of(developer).get(f"{url}new/").content.decode()
    revision = publish(access=access, model=version.model, version=version)
    text = page_of(developer).get(f"{url}{revision.deployment_id}/").content.decode()
    assert f"{said} on the test split" in text
