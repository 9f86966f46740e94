"""Files for specs by the team API: from an upload to a run that names one."""

from __future__ import annotations

import hashlib

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from apps.projects.models import ApiKey, Project
from apps.training.models import SpecFile
from tests.conftest import make_key
from tests.models.downloads import downloaded


def url(name: str, project: Project, *args: object) -> str:
    return reverse(f"api-{name}", args=[project.pk, *args])


def test_file_is_uploaded_kept_named_and_deleted_with_a_key(api_of, project, dataset_version, small_spec):
    api = api_of(make_key(project, ApiKey.Kind.SERVER, ["training"], "sk_" + "t" * 40))
    body = b'{"speeds": {}}'
    asked = api.post(url("upload-list", project), {"purpose": "file", "filename": "phone.json", "size": len(body)})
    upload = asked.json()
    assert (asked.status_code, upload["purpose"]) == (201, "file")
    if upload["url"].startswith("http://testserver"):
        sent = Client().put(upload["url"], body, content_type="application/octet-stream").status_code
    else:  # the object store's own address
        sent = httpx.put(upload["url"], content=body, headers=upload["headers"]).status_code
    assert sent == 200
    assert api.post(url("upload-complete", project, upload["id"])).status_code == 200
    made = api.post(url("file-list", project), {"upload": upload["id"]})
    assert made.status_code == 201
    file = made.json()
    sha256 = hashlib.sha256(body).hexdigest()
    assert (file["path"], file["bytes"], file["sha256"]) == ("files/phone.json", len(body), sha256)
    assert api.get(url("file", project, file["id"])).json() == file
    small_spec["budget"] = {"max_latency_ms": 5, "device_profile": file["path"]}
    run = {"dataset_version": str(dataset_version.pk), "model_name": "Digits", "spec": small_spec}
    started = api.post(url("run-list", project), run).json()
    assert started["files"] == [{"path": "files/phone.json", "sha256": sha256}]
    refused = api.delete(url("file", project, file["id"]))
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_use")
    api.post(reverse("api-job-cancel", args=[project.pk, started["job"]["id"]]))
    assert api.delete(url("file", project, file["id"])).status_code == 204
    assert not SpecFile.across_tenants.exists()


def test_key_without_the_scope_may_not_ask_for_an_upload(api_of, project):
    api = api_of(make_key(project, ApiKey.Kind.SERVER, ["datasets"], "sk_" + "u" * 40))
    answer = api.post(url("upload-list", project), {"purpose": "file", "filename": "phone.json", "size": 1})
    assert (answer.status_code, "'training'" in answer.json()["error"]["message"]) == (403, True)


def test_suffix_is_refused_before_the_bytes_are_sent(api_of, developer, project):
    answer = api_of(developer).post(
        url("upload-list", project), {"purpose": "file", "filename": "phone.exe", "size": 1}
    )
    detail = answer.json()["error"]["details"][0]
    assert (answer.status_code, detail["field"]) == (400, "filename")
    assert ".zip, .keras, .h5 or .json" in detail["message"]


def test_list_is_one_query_for_all_and_goes_on_by_key(api_of, viewer, project, make_file, django_assert_num_queries):
    for number in range(3):
        make_file(f"{number}.json")
    api = api_of(viewer)
    api.get(url("file-list", project))
    # session, user, project, role, files
    with django_assert_num_queries(5):
        answer = api.get(url("file-list", project)).json()
    assert [file["name"] for file in answer["results"]] == ["2.json", "1.json", "0.json"]


def test_content_leads_to_the_bytes(api_of, viewer, project, make_file):
    api = api_of(viewer)
    answer = api.get(url("file-content", project, make_file("phone.json", b"[1]").pk))
    assert answer.status_code == 302
    assert downloaded(Client(), answer["Location"])[0] == b"[1]"


@pytest.mark.parametrize(("body", "field"), [({}, "upload"), ({"upload": "x"}, "upload")])
def test_bad_input_is_named_by_field(api_of, developer, project, body, field):
    answer = api_of(developer).post(url("file-list", project), body)
    assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (400, field)
