from __future__ import annotations

import pytest
from django.urls import reverse

from apps.training.models import SpecFile
from tests.models.downloads import downloaded

pytestmark = pytest.mark.usefixtures("project")


def url(name: str, *args: object) -> str:
    return reverse(name, args=["acme", "reader", *args])


def test_empty_list_says_who_uploads(page_of, developer, viewer):
    assert "Most specs need none" in page_of(developer).get(url("file-list")).content.decode()
    text = page_of(viewer).get(url("file-list")).content.decode()
    assert "A developer, admin or owner uploads them." in text
    assert 'id="upload-form"' not in text


def test_list_names_files_as_specs_do_in_five_queries(page_of, viewer, make_file, django_assert_num_queries):
    files = [make_file(f"{number}.json", b"{}") for number in range(4)]
    page = page_of(viewer)
    page.get(url("file-list"))
    # session, user, project, role, files
    with django_assert_num_queries(5):
        text = page.get(url("file-list")).content.decode()
    for file in files:
        assert f"files/{file.name}" in text
    assert text.count(files[0].sha256) == 4  # the same content
    assert "Delete" not in text


def test_list_goes_on_by_key(page_of, viewer, make_file):
    for number in range(51):
        make_file(f"{number}.json")
    page = page_of(viewer)
    first = page.get(url("file-list")).context["page"]
    rest = page.get(url("file-list"), {"before": first.next_before}).context["page"]
    assert ([file.name for file in rest.rows], len(first.rows), rest.next_before) == (["0.json"], 50, None)


def test_upload_becomes_a_file(page_of, developer, make_upload):
    upload = make_upload()
    done = page_of(developer).post(url("file-list"), {"upload": str(upload.pk), "name": ""}, follow=True)
    assert done.redirect_chain == [(url("file-list"), 302)]
    assert "A spec can name it now: files/phone.json" in done.content.decode()


def test_refusals_stand_beside_their_fields(page_of, developer, make_upload, make_file):
    make_file("phone.json")
    page = page_of(developer)
    taken = page.post(url("file-list"), {"upload": str(make_upload().pk), "name": "phone.json"})
    assert (taken.status_code, "a file never changes" in taken.context["form"].errors["name"][0]) == (400, True)
    none = page.post(url("file-list"), {"upload": "", "name": ""})
    assert "Choose a file" in none.context["form"].errors["upload"][0]
    model = page.post(url("file-list"), {"upload": str(make_upload(purpose="model").pk)})
    assert "not one of a training file" in model.context["form"].errors["upload"][0]


def test_download_gives_the_bytes_under_the_files_name(page_of, viewer, make_file):
    page = page_of(viewer)
    answer = page.get(url("file", make_file("phone.json", b'{"a": 1}').pk))
    content, disposition = downloaded(page, answer["Location"])
    assert content == b'{"a": 1}'
    assert 'filename="phone.json"' in disposition


def test_file_is_deleted_or_says_why_not(page_of, developer, make_file, access, dataset_version, small_spec):
    from apps.training.services import start_run

    file = make_file("phone.json")
    small_spec["budget"] = {"max_latency_ms": 5, "device_profile": file.path}
    run = start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digits")
    page = page_of(developer)
    assert "stays while a run needs it" in page.post(url("file-delete", file.pk), follow=True).content.decode()
    run.job.state = "succeeded"
    run.job.save()
    assert "phone.json is deleted." in page.post(url("file-delete", file.pk), follow=True).content.decode()
    assert not SpecFile.across_tenants.exists()
