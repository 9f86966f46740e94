from __future__ import annotations

from django import forms

from apps.datasets import data_spec, services


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
    """How a file becomes a version. static/js/dataset-upload.js sends it to the team API, which checks it."""

    data_spec = forms.CharField(
        label="Data spec (YAML)",
        required=False,
        help_text="Class folders of images or sounds need none, nor do tables with the columns text and label. "
        "Otherwise: the task (classification, multi_label, regression or sequence), and each feature with its type "
        "(image, text, sensor, audio, video or vector) and its columns.",
        widget=forms.Textarea(
            attrs={
                "rows": 5,
                "class": "code-area",
                "spellcheck": "false",
                "autocapitalize": "none",
                "placeholder": data_spec.EXAMPLE,
            }
        ),
    )
    bad_values = forms.ChoiceField(
        label="Numbers that are missing, NaN or infinite",
        choices=list(services.BAD_VALUES.items()),
        required=False,
    )
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
