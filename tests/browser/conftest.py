"""A real platform (web server and worker on SQLite) and a real Chromium in front of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, StorageState, ViewportSize, sync_playwright

from setup import ROOT
from setup.stack import Stack, platform_environment
from tests.browser.seeding import sown

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 375, "height": 800}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None and "browser" not in os.environ.get("REQUIRE", ""):
                item.add_marker(pytest.mark.skip(reason="needs Chromium, and PATH has none"))


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the platform under test is started with: an empty database, the embedded default, a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = {"DATABASE_URL", "REDIS_URL", "STORAGE_URL", "SECRET_KEY", "DATA_DIR", "EMAIL_URL", "BASE_URL"}
    ours |= {"DJANGO_SETTINGS_MODULE", "STATIC_HASHED"}  # set by the tests of this process, not for the platform
    base = {name: value for name, value in os.environ.items() if name not in ours}
    # The assets as users get them: compressed, under names with a hash, and without what nobody uses.
    subprocess.run([sys.executable, "-m", "setup", "install"], cwd=ROOT, env=base, check=True)
    environment = platform_environment(base, data_dir=tmp_path_factory.mktemp("browser"), port=port)
    return environment | {"LOG_LEVEL": "WARNING", "STATIC_HASHED": "1", "STATIC_ROOT": str(ROOT / "var" / "static")}


@pytest.fixture(scope="session")
def server(environment: dict[str, str]) -> Iterator[str]:
    """The address of a platform that runs for the whole session."""
    with Stack(environment, port=int(environment["BASE_URL"].rsplit(":")[-1])) as stack:
        stack.wait_ready()
        yield stack.address


@pytest.fixture(scope="module")
def seed(request: pytest.FixtureRequest, server: str, environment: dict[str, str]) -> dict[str, Any]:
    """What the file's SEED made in the platform, and the key of a session: see seeding.py."""
    return sown(environment, request.module.SEED)


@pytest.fixture
def state(seed: dict[str, Any], server: str) -> StorageState:
    """A browser in which the owner of what was made is signed in."""
    cookie = {"name": "sessionid", "value": seed["session"], "url": server}
    return {"cookies": [cookie], "origins": []}  # type: ignore[list-item]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Closed with its file: Playwright keeps an event loop in this thread, beside which no test has a database."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """`open_page(phone=True, scheme="dark")` → a page of a new visitor.

    The test fails on any error in the page's console; `errors=True` is for addresses that answer with an error status.
    """
    contexts = []
    complaints: list[str] = []

    def open_one(
        *,
        phone: bool = False,
        errors: bool = False,
        scheme: Literal["light", "dark"] = "light",
        state: StorageState | None = None,
    ) -> Page:
        context = chromium.new_context(
            base_url=server, viewport=PHONE if phone else DESKTOP, color_scheme=scheme, storage_state=state
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        if not errors:
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []
