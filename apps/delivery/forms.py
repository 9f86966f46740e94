from __future__ import annotations

from collections.abc import Collection
from itertools import groupby
from typing import Any
from uuid import UUID

from django import forms
from django.template.defaultfilters import filesizeformat

from apps.delivery.services import MAX_NOTE
from apps.delivery.snapshot import version_tuple
from apps.models.models import ModelVersion

MAX_CHOICES = 200


class PublishForm(forms.Form):
    """Which ready version goes to devices. Shows the newest 200; accepts every ready one."""

    version: forms.ModelChoiceField[ModelVersion] = forms.ModelChoiceField(
        queryset=None,
        empty_label=None,
        error_messages={"invalid_choice": "This is not a ready version of this project. Choose one of the list."},
    )
    note = forms.CharField(
        max_length=MAX_NOTE, required=False, help_text="Why, for whoever reads the history. It is not sent to devices."
    )

    def __init__(self, *args: Any, versions: Any, current: Collection[UUID], **kwargs: Any) -> None:
        """`versions`: a QuerySet to choose from. `current`: ids of those that devices get now."""
        super().__init__(*args, **kwargs)
        field = self.fields["version"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = versions.ready()
        newest = list(versions.ready().for_list()[:MAX_CHOICES])
        by_model = sorted(newest, key=lambda version: (version.model.name, -version.number))
        # Grouped by model, which ModelChoiceField can't do by itself.
        field.widget.choices = [
            (name, [(version.pk, _label(version, current)) for version in group])
            for name, group in groupby(by_model, key=lambda version: version.model.name)
        ]
        others = [version.pk for version in newest if version.pk not in current]
        self.has_choices = bool(newest)
        self.has_others = bool(others)
        if others:
            field.initial = others[0]


class DeviceForm(forms.Form):
    """A device to try the decision on."""

    runtime = forms.CharField(
        max_length=50,
        required=False,
        label="Its LiteRT runtime",
        help_text="Such as 2.17.0. Empty: the device does not say.",
    )

    def clean_runtime(self) -> str:
        runtime: str = self.cleaned_data["runtime"].strip()
        if runtime and version_tuple(runtime) is None:
            raise forms.ValidationError(f"A version such as 2.17.0 is accepted. Received: {runtime}")
        return runtime


def _label(version: ModelVersion, current: Collection[UUID]) -> str:
    parts = [f"{version.model.name} v{version.number}", version.label]
    if version.tflite is not None:
        parts.append(filesizeformat(version.tflite.bytes))
    if (headline := version.headline) is not None:
        parts.append(f"{headline.title} {headline.text} on the test split")
    if version.pk in current:
        parts.append("devices get it now")
    return " · ".join(part for part in parts if part)
