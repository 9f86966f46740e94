"""The operators' admin with the assets that are served: its dashboard and every table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from playwright.sync_api import Page, expect

from setup import ROOT

EMAIL, PASSWORD = "operator@example.com", "correct-horse-battery"


def test_operator_sees_the_dashboard_and_every_table(
    open_page: Callable[..., Page], server: str, environment: dict[str, str]
) -> None:
    command = [sys.executable, "manage.py", "createsuperuser", "--no-input", "--email", EMAIL]
    subprocess.run(command, cwd=ROOT, env=environment | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}, check=True)
    page = open_page()
    page.goto("/admin/")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Jobs by state")).to_be_visible()
    tables = page.eval_on_selector_all("a[href^='/admin/']", "links => links.map(link => link.getAttribute('href'))")
    lists = {address for address in tables if address.count("/") == 4 and "?" not in address}
    assert len(lists) > 20, lists
    for address in sorted(lists):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
