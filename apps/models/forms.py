from __future__ import annotations

from typing import Any

from django import forms

from apps.datasets.models import Upload


class ModelForm(forms.Form):
    """Registering a model."""

    name = forms.CharField(max_length=100, help_text="What the model does, such as “Digit reader”.")
    slug = forms.SlugField(
        max_length=50,
        required=False,
        label="Short name",
        help_text="What applications ask for. Made of the name if you leave it empty; it never changes.",
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "spellcheck": "false", "placeholder": "made of the name"}
        ),
    )
    description = forms.CharField(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


class UploadedVersionForm(forms.Form):
    """Which of the project's uploads becomes a version. The page's script sends the file and fills this in."""

    upload: forms.ModelChoiceField[Upload] = forms.ModelChoiceField(queryset=None, widget=forms.HiddenInput)

    def __init__(self, *args: Any, uploads: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["upload"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = uploads.filter(purpose=Upload.Purpose.MODEL)
        field.error_messages = {
            "required": "Choose a .tflite file and wait until it has been sent.",
            "invalid_choice": "This upload is not one of a model in this project. Upload the file again.",
        }
