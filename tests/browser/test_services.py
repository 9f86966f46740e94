"""What a browser meets on services and nowhere else: a storage at another origin, and live news by way of Redis."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from playwright.sync_api import Page, Request, expect

from demo.digits import write_archive
from setup import ROOT
from setup.stack import Stack
from tests.jobs.processes import drop_database, fresh_database

SERVICES = ("DATABASE_URL", "REDIS_URL", "STORAGE_URL")
GUIDE = ROOT / "docs/guides/running.md"

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        any(not os.environ.get(name) for name in SERVICES),
        reason=f"needs {', '.join(SERVICES)}, as `make test` sets them",
    ),
]


@pytest.fixture(scope="module")
def server(environment: dict[str, str]) -> Iterator[str]:
    """The address of a platform on PostgreSQL, Redis and S3. Its database is its own, the bucket the tests'."""
    database = fresh_database(os.environ["DATABASE_URL"])
    assert database, "the services run is on PostgreSQL"
    services = {name: os.environ[name] for name in SERVICES} | {
        "DATABASE_URL": database,
        "SECRET_KEY": secrets.token_urlsafe(50),
    }
    try:
        with Stack(environment | services, port=int(environment["BASE_URL"].rsplit(":")[-1])) as stack:
            stack.wait_ready()
            yield stack.address
    finally:
        drop_database(database)


@pytest.fixture(scope="module")
def rule(environment: dict[str, str]) -> dict:
    """The CORS rule of the guide, set on the bucket for this platform."""
    [text] = re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    configuration = json.loads(text)
    [rule] = configuration["CORSRules"]
    rule["AllowedOrigins"] = [environment["BASE_URL"]]
    parts = urlsplit(os.environ["STORAGE_URL"])
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{parts.hostname}:{parts.port}",
        region_name="us-east-1",
        aws_access_key_id=parts.username,
        aws_secret_access_key=parts.password,
    )
    client.put_bucket_cors(Bucket=parts.path.strip("/"), CORSConfiguration=configuration)
    client.close()
    return rule


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "digits.zip"
    write_archive(path)
    return path


def test_an_archive_goes_to_the_storage_and_its_import_is_watched(open_page, rule: dict, archive: Path) -> None:
    """`open_page` fails the test when the pages' policy or the bucket's rule refuses anything: the console says so."""
    page: Page = open_page()
    storage = f"http://{urlsplit(os.environ['STORAGE_URL']).netloc.rpartition('@')[2]}"
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.url.startswith(storage) else None)
    _begin(page)

    page.get_by_label("File with the examples").set_input_files(archive)
    page.get_by_role("button", name="Upload and import").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Digits v1", timeout=30_000)
    # What was imported appears by itself, once the live view has heard of the end.
    expect(page.get_by_role("heading", name="Class balance")).to_be_visible(timeout=60_000)
    image = page.locator("main img").first
    image.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())

    [upload] = [request for request in sent if request.method == "PUT"]
    assert upload.response().status == 200
    assert {request.method for request in sent} <= set(rule["AllowedMethods"])
    assert any(request.resource_type == "image" for request in sent)


def _begin(page: Page) -> None:
    """Sign up and come to the page of a dataset without a version."""
    page.goto("/accounts/signup/")
    name = f"hopper-{secrets.token_hex(4)}"
    page.get_by_label("Email").fill(f"{name}@example.com")
    for label in ("Password", "Password (again)"):
        page.get_by_label(label, exact=True).fill("correct-horse-battery")
    page.get_by_role("button", name="Sign up").click()
    page.goto("/organizations/new/")
    page.get_by_label("Name").first.fill(name)
    page.locator("main form button[type=submit]").click()
    page.goto(f"/o/{name}/projects/new/")
    page.get_by_label("Name").first.fill("Reader")
    page.locator("main form button[type=submit]").click()
    page.goto(f"/o/{name}/p/reader/datasets/new/")
    page.get_by_label("Name").first.fill("Digits")
    page.get_by_role("button", name="Make the dataset").click()
