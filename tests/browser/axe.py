"""What axe-core finds on a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"


def problems_of(page: Page) -> list[tuple[str, str]]:
    """Everything serious or worse on the page as it is: (the rule, where and what)."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    theme = page.evaluate("document.documentElement.dataset.bsTheme ?? ''")
    return [
        (violation["id"], f"{page.url} ({theme}): {violation['id']}: {node['html'][:160]}")
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


def look_at(page: Page, address: str) -> list[tuple[str, str]]:
    """The same of the page at `address`."""
    page.goto(address)
    return problems_of(page)


def problems_on(page: Page, address: str) -> list[str]:
    return [problem for _, problem in look_at(page, address)]
