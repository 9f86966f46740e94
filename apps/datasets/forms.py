from __future__ import annotations

from django import forms

from apps.datasets import services


class DatasetForm(forms.Form):
    """Making a dataset."""

    name = forms.CharField(
        max_length=100,
        help_text="What the examples are of, such as Handwritten digits.",
        widget=forms.TextInput(attrs={"autofocus": True}),
    )
    slug = forms.CharField(
        max_length=50,
        required=False,
        label="Short name",
        help_text="For scripts and addresses. It never changes.",
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "spellcheck": "false", "placeholder": "made of the name"}
        ),
    )


class VersionForm(forms.Form):
    """How an archive becomes a version. static/js/dataset-upload.js sends it to the team API, which checks it."""

    validation = forms.IntegerField(
        label="Validation, %",
        initial=round(services.DEFAULT_VALIDATION * 100),
        min_value=1,
        max_value=50,
        help_text="Watched during training.",
    )
    test = forms.IntegerField(
        label="Test, %",
        initial=round(services.DEFAULT_TEST * 100),
        min_value=1,
        max_value=50,
        help_text="Kept apart until the end.",
    )
    seed = forms.IntegerField(
        label="Seed",
        initial=services.DEFAULT_SEED,
        min_value=0,
        max_value=services.MAX_SEED,
        help_text="The same seed gives the same split.",
    )
