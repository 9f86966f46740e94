from __future__ import annotations

import pytest
from django import forms

from apps.console.templatetags.console import field, icon, percent, size


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (50123, "48.9 KB"), (3 * 2**30, "3.0 GB"), (None, "–"), ("", "–")]
)
def test_size(count, text):
    assert size(count) == text


@pytest.mark.parametrize(("share", "text"), [(0.9312, "93.1 %"), (0.0, "0.0 %"), (None, "–"), ("", "–")])
def test_percent(share, text):
    assert percent(share) == text


def test_icon_is_hidden_from_screen_readers_and_takes_no_path():
    assert 'aria-hidden="true"' in icon("database", "big")
    assert 'class="icon big"' in icon("database", "big")
    assert icon("../../package") == ""


def test_field_links_its_error_and_help():
    class Form(forms.Form):
        name = forms.CharField(help_text="As people call it.")

    context = field(Form({"name": ""})["name"])
    assert 'aria-invalid="true"' in context["control"]
    assert 'aria-describedby="id_name_help id_name_error"' in context["control"]
