"""What a new user does: sign up, upload, train, watch it live, deploy; then every page is looked at as a whole."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.urls import resolve
from playwright.sync_api import Page, expect

from demo.digits import write_archive
from tests.browser.axe import problems_on

EMAIL, PASSWORD = "ada@example.com", "correct-horse-battery"
# A run of seconds: what is watched is the page, not the accuracy.
STEPS = 200


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("digits") / "digits.zip"
    write_archive(path)
    return path


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the journey leaves its cookies for the tests that come after it."""
    return tmp_path_factory.mktemp("state") / "state.json"


@pytest.fixture
def state(visited: Path) -> dict:
    if not visited.exists():
        pytest.skip("the journey did not get through")
    return json.loads(visited.read_text())


def test_from_sign_up_to_a_deployed_model(open_page: Callable[..., Page], digits: Path, visited: Path) -> None:
    page = open_page()
    _sign_up(page)
    _make_organization_and_project(page)
    _upload(page, digits)
    _train(page)
    _deploy(page)
    page.context.storage_state(path=visited)


def _sign_up(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_label("Password (again)").fill("short")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("This password is too short")).to_be_visible()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("Start with an organization")).to_be_visible()


def _make_organization_and_project(page: Page) -> None:
    page.get_by_role("link", name="Make an organization").click()
    page.get_by_label("Name").first.fill("Lovelace")
    page.locator("main form button[type=submit]").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lovelace")
    page.locator("main").get_by_role("link", name=re.compile("project", re.I)).first.click()
    page.get_by_label("Name").first.fill("Reader")
    page.locator("main form button[type=submit]").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Reader")


def _upload(page: Page, archive: Path) -> None:
    page.get_by_role("link", name="Datasets").click()
    page.get_by_role("link", name="Make a dataset").click()
    page.get_by_label("Name").first.fill("Digits")
    page.get_by_role("button", name="Make the dataset").click()
    page.get_by_label("File with the examples").set_input_files(archive)
    page.get_by_role("button", name="Upload and import").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Digits v1")
    expect(page.get_by_role("heading", name="Class balance")).to_be_visible(timeout=60_000)
    expect(page.locator("main")).to_contain_text("1,797")
    image = page.locator("main img").first
    image.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())


def _train(page: Page) -> None:
    page.get_by_role("link", name="Train on this").click()
    text = page.locator("textarea[name=spec]")
    expect(text).to_have_value(re.compile("num_classes: 10"))
    page.wait_for_load_state("load")  # nobody types before the page's script runs
    # The form follows the YAML, and what is wrong is said beside the field that it is about.
    text.fill(re.sub(r"learning_rate: [\d.]+", "learning_rate: -1", text.input_value()))
    text.blur()
    expect(page.get_by_text("Received: -1").first).to_be_visible()
    text.fill(
        re.sub(
            r"steps: \d+", f"steps: {STEPS}", text.input_value().replace("learning_rate: -1", "learning_rate: 0.003")
        )
    )
    text.blur()
    expect(page.get_by_label("Steps").first).to_have_value(str(STEPS))
    page.get_by_role("button", name="Start training").click()
    expect(page.locator("[data-state]").first).to_have_attribute("data-state", re.compile("queued|running"))
    # Live: all of this happens without a reload.
    page.evaluate("window.stayed = true")
    expect(page.locator("[data-state=running]").first).to_be_visible(timeout=30_000)
    expect(page.locator("canvas").first).to_be_visible(timeout=90_000)
    expect(page.locator("[data-state=succeeded]").first).to_be_visible(timeout=180_000)
    expect(page.get_by_role("cell", name=re.compile("depthwise")).first).to_be_visible(timeout=30_000)


def _deploy(page: Page) -> None:
    page.get_by_role("link", name="Models").click()
    page.locator("main table a").first.click()
    page.locator("main table a").first.click()
    expect(page.locator("main")).to_contain_text("Confusion matrix")
    # The check runs on its own after the training.
    expect(page.locator("main [data-state=ready]").first).to_be_visible(timeout=60_000)
    page.reload()
    page.get_by_role("link", name=re.compile("Deploy")).last.click()
    page.locator("main form button[type=submit]").last.click()
    expect(page.get_by_role("row", name=re.compile("^1 current Digits v4"))).to_be_visible()


def test_refused_archive_is_explained_where_it_was_uploaded(
    open_page: Callable[..., Page], state: dict, tmp_path: Path
) -> None:
    archive = tmp_path / "one-class.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("cats/../../../etc/passwd.png", b"x")
    page = open_page(state=state)
    page.goto("/o/lovelace/p/reader/datasets/")
    page.get_by_role("link", name="Digits").click()
    page.get_by_label("File with the examples").set_input_files(archive)
    page.get_by_role("button", name="Upload and import").click()
    expect(page.get_by_role("alert")).to_contain_text("passwd.png", timeout=60_000)


def pages_of(page: Page, *, limit: int = 80) -> list[str]:
    """One address of every kind of page that can be reached by links, as the journey's owner."""
    found: dict[str, str] = {}
    queue = ["/", "/accounts/email/", "/accounts/password/change/", "/accounts/2fa/", "/accounts/2fa/totp/activate/"]
    while queue and len(found) < limit:
        address = queue.pop(0)
        path = urlsplit(address).path
        name = resolve(path).view_name
        if name in found or path.startswith(("/admin/", "/api/", "/files/")) or _is_of_others(page, path):
            continue
        page.goto(address)
        found[name] = address
        hrefs = page.eval_on_selector_all("a[href^='/']", "links => links.map(link => link.getAttribute('href'))")
        queue.extend(hrefs)
    return list(found.values())


def _is_of_others(page: Page, path: str) -> bool:
    """Whether a file is there, or TensorBoard's own page."""
    if "/training/tensorboard/" in path:
        return True
    response = page.request.get(path, max_redirects=0)
    return response.status != 200 or "text/html" not in response.headers.get("content-type", "")


def test_every_page_is_accessible_in_both_themes_and_fits_a_phone(open_page: Callable[..., Page], state: dict) -> None:
    guest, owner = open_page(), open_page(state=state)
    addresses = pages_of(owner)
    assert len(addresses) > 25, addresses
    problems: list[str] = []
    for address in ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"):
        problems += problems_on(guest, address)
    for address in ("/o/somebody-else/", "/invitations/no-such-invitation/"):
        problems += problems_on(open_page(state=state, errors=True), address)
    for scheme in ("light", "dark"):
        page = open_page(state=state, scheme=scheme)
        for address in addresses:
            problems += problems_on(page, address)
    phone = open_page(state=state, phone=True)
    for address in addresses:
        phone.goto(address)
        width = phone.evaluate("document.documentElement.scrollWidth")
        if width > phone.viewport_size["width"]:
            problems.append(f"{address} is {width} px wide on a phone")
    assert not problems, "\n".join(problems)


def test_theme_can_be_chosen_and_stays(open_page: Callable[..., Page], state: dict) -> None:
    page = open_page(state=state)
    page.goto("/")
    theme = page.locator("html")
    expect(theme).to_have_attribute("data-bs-theme", "light")
    page.get_by_role("button", name=re.compile("Theme")).click()
    page.get_by_role("button", name=re.compile("Theme")).click()
    expect(theme).to_have_attribute("data-bs-theme", "dark")
    page.reload()
    expect(theme).to_have_attribute("data-bs-theme", "dark")


def test_keyboard_alone_reaches_the_content_and_the_menu(open_page: Callable[..., Page], state: dict) -> None:
    page = open_page(state=state)
    page.goto("/o/lovelace/p/reader/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name=re.compile("^Done Data"))).to_be_focused()


def test_menu_opens_on_a_phone(open_page: Callable[..., Page], state: dict) -> None:
    page = open_page(state=state, phone=True)
    page.goto("/o/lovelace/p/reader/")
    expect(page.get_by_role("link", name="Datasets")).to_be_hidden()
    page.get_by_role("button", name="Open the menu").click()
    page.get_by_role("link", name="Datasets").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Datasets")


def test_signed_out_visitor_is_sent_to_sign_in_and_back(open_page: Callable[..., Page], state: dict) -> None:
    page = open_page()
    page.goto("/o/lovelace/p/reader/models/")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Models")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
