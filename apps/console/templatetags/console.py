"""What every template may use: icons, form fields, badges of states, sizes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, FileInput, RadioSelect, Select
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@lru_cache(maxsize=512)
def _svg(name: str) -> str:
    path = settings.ICONS_DIR / f"{name}.svg"
    if not re.fullmatch(r"[a-z0-9-]+", name) or not path.is_file():
        return ""
    body = path.read_text().split(">", 1)[1].rsplit("</svg>", 1)[0]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="icon {}" width="24" height="24" viewBox="0 0 24 24" '
        'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" '
        'aria-hidden="true">' + body + "</svg>"
    )


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """A Tabler icon, inline and hidden from screen readers: `{% icon "database" %}`."""
    return mark_safe(_svg(name).replace("{}", classes, 1))  # noqa: S308  (our own files, names checked)


@register.simple_tag
def made_by(row: Any) -> SafeString | str:
    """Who did it, of a row with `created_by` and `api_key`: the person, the key by its name, or that they are gone."""
    if row.created_by is not None:
        return str(row.created_by)
    if row.api_key is not None:
        return format_html("{} {}", icon("key", "icon-inline"), row.api_key)
    return "a former user"


@register.inclusion_tag("console/field.html")
def field(bound: BoundField, **extra: Any) -> dict[str, Any]:
    """Label, control, help and errors of one form field, with Tabler's classes and ARIA links."""
    widget = bound.field.widget
    is_check = isinstance(widget, CheckboxInput)
    is_group = isinstance(widget, CheckboxSelectMultiple | RadioSelect)
    described = [f"{bound.auto_id}_help"] * bool(bound.help_text) + [f"{bound.auto_id}_error"] * bool(bound.errors)
    attrs: dict[str, Any] = {}
    if is_check or is_group:
        attrs["class"] = "form-check-input"
    elif isinstance(widget, Select):
        attrs["class"] = "form-select"
    else:
        attrs["class"] = "form-control"
    if bound.errors:
        attrs["class"] += " is-invalid"
        attrs["aria-invalid"] = "true"
    if described:
        attrs["aria-describedby"] = " ".join(described)
    attrs.update(extra)
    attrs["class"] = f"{widget.attrs.get('class', '')} {attrs['class']}".strip()
    if is_group:
        widget.attrs.update(attrs)  # each option takes them over
    return {
        "bound": bound,
        "control": "" if is_group else bound.as_widget(attrs={**widget.attrs, **attrs}),
        "options": list(bound) if is_group else [],
        "is_check": is_check,
        "is_group": is_group,
        "is_file": isinstance(widget, FileInput),
    }


STATE_COLOURS = {
    "queued": "secondary",
    "waiting": "secondary",
    "importing": "azure",
    "running": "azure",
    "checking": "azure",
    "succeeded": "green",
    "ready": "green",
    "inferred": "green",
    "loaded": "green",
    "downloaded": "azure",
    "assigned": "secondary",
    "failed": "red",
    "refused": "red",
    "cancelled": "yellow",
    "paused": "yellow",
    "pruned": "yellow",
    "complete": "green",
    "finished": "green",
    "delivered": "green",
    "expired": "yellow",
    "revoked": "red",
}


@register.inclusion_tag("console/state.html")
def state(value: str, label: str = "") -> dict[str, str]:
    """The badge of a state: `{% state job.state job.get_state_display %}`."""
    return {
        "value": value,
        "label": label or value.replace("_", " ").capitalize(),
        "colour": STATE_COLOURS.get(value, "secondary"),
    }


@register.filter
def percent(share: float | str | None, digits: int = 1) -> str:
    """0.9312 → "93.1 %"; None, and what a template could not find, → "–"."""
    return "–" if share is None or share == "" else f"{float(share) * 100:.{digits}f} %"


@register.filter
def number(value: float | str | None) -> str:
    """A measured number with four digits that count: 0.123456 → "0.1235"; None, and what was not found, → "–"."""
    return "–" if value is None or value == "" else f"{float(value):,.4g}"


@register.filter
def size(count: int | str | None) -> str:
    """Bytes for people, in steps of 1,024: 50123 → "48.9 KB"; None, and what a template could not find, → "–"."""
    if count is None or count == "":
        return "–"
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


@register.filter
def lookup(mapping: dict[Any, Any] | None, key: Any) -> Any:
    """`mapping|lookup:key`, None where it is missing."""
    return (mapping or {}).get(key)
