"""The upload form when things go wrong: stopped by hand, a broken connection, a refusal after the bytes were sent."""

from __future__ import annotations

import io
import os
import re
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

PIECE = 8 * 2**20
FILES = re.compile(r"/files/")
FIRST, SECOND = "bytes 0-8388607/", "bytes 8388608-"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good archive of three pieces: noise can't be compressed."""
    path = tmp_path_factory.mktemp("archive") / "noise.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number in range(30):
            out = io.BytesIO()
            Image.frombytes("RGB", (480, 480), os.urandom(480 * 480 * 3)).save(out, "PNG")
            file.writestr(f"{'ab'[number % 2]}/{number}.png", out.getvalue())
    assert 2 * PIECE < path.stat().st_size < 3 * PIECE
    return path


@pytest.fixture
def form(chromium: Browser, server: str) -> Iterator[Page]:
    """The page of a new dataset. Its console may complain: here, requests are meant to fail."""
    context = chromium.new_context(base_url=server)
    page = context.new_page()
    expect.set_options(timeout=30_000)
    page.goto("/accounts/signup/")
    name = f"hopper-{uuid.uuid4().hex[:8]}"
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
    page.get_by_label("Name").first.fill("Noise")
    page.get_by_role("button", name="Make the dataset").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Noise")
    yield page
    expect.set_options(timeout=5_000)
    context.close()


def test_an_upload_is_stopped_breaks_goes_on_and_is_not_sent_twice(form: Page, archive: Path) -> None:
    sent: list[str] = []
    go_on = {"stopped": False}

    def network(route: Route) -> None:
        piece = route.request.headers.get("content-range", "")
        sent.append(piece or route.request.method)
        if piece.startswith(SECOND) and not go_on["stopped"]:
            return  # never answered: there is time to press Stop
        if piece.startswith(SECOND) and len(sent) == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    form.route(FILES, network)
    upload = form.get_by_role("button", name="Upload and import")

    upload.click()
    expect(form.get_by_text("Choose a file first.")).to_be_visible()
    form.get_by_label("File with the examples").set_input_files(archive)
    upload.click()
    expect(form.locator("#sent-text")).to_contain_text("8.0 MB of")
    form.get_by_role("button", name="Stop").click()
    expect(form.get_by_text("The upload was stopped. Nothing of it is kept.")).to_be_visible()
    assert [piece.startswith(start) for piece, start in zip(sent, (FIRST, SECOND), strict=True)] == [True, True]

    # The connection breaks at the second piece; the third one is the last. The server then refuses the shares.
    go_on["stopped"] = True
    sent.clear()
    form.get_by_text("How to split it").click()
    for field in ("Validation, %", "Test, %"):
        form.get_by_label(field).fill("50")
    form.get_by_text("What it holds").click()
    form.get_by_label("Data spec").fill("features: [{name: image, type: smell}]")
    upload.click()
    expect(form.get_by_text("At least 0.2 (20 %) must remain for training.")).to_be_visible()
    expect(form.get_by_text("features[0].type: Received: 'smell'. Accepted: 'image'")).to_be_visible()
    expect(form.get_by_label("Test, %")).to_have_attribute("aria-invalid", "true")
    assert [piece[:14] for piece in sent] == [FIRST[:14], SECOND[:14], "HEAD", SECOND[:14], "bytes 16777216"]

    # What has arrived is used, not sent again.
    sent.clear()
    form.get_by_label("Validation, %").fill("10")
    form.get_by_label("Test, %").fill("20")
    form.get_by_label("Data spec").fill("features: [{name: noise, type: image}]")
    upload.click()
    expect(form.get_by_role("heading", name="Class balance")).to_be_visible(timeout=60_000)
    assert not [entry for entry in sent if entry.startswith("bytes")]
    expect(form.get_by_role("heading", level=1)).to_have_text("Noise v1")


def test_the_form_can_be_sent_only_once_its_script_runs(form: Page) -> None:
    script = re.compile(r"/js/dataset-upload\b")
    form.route(script, lambda route: route.abort())
    form.reload()
    expect(form.get_by_role("button", name="Upload and import")).to_be_disabled()

    form.unroute(script)
    form.reload()
    expect(form.get_by_role("button", name="Upload and import")).to_be_enabled()
