from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from apps.datasets.models import DatasetVersion, Upload
from apps.datasets.wording import contents
from apps.models.models import RegisteredModel
from apps.projects.access import Access

if TYPE_CHECKING:
    _ChoiceOfVersion = forms.ModelChoiceField[DatasetVersion]
else:  # the class takes no parameter when it runs
    _ChoiceOfVersion = forms.ModelChoiceField


class _DatasetVersionField(_ChoiceOfVersion):
    def label_from_instance(self, obj: DatasetVersion) -> str:
        return f"{obj}: {contents(obj)}"


class SpecFileForm(forms.Form):
    """Which of the project's uploads specs can name, and how. The page's script sends the file and fills this in."""

    upload: forms.ModelChoiceField[Upload] = forms.ModelChoiceField(queryset=None, widget=forms.HiddenInput)
    name = forms.CharField(
        max_length=100,
        required=False,
        label="Name in specs",
        help_text="Made of the file's name if you leave it empty. It never changes.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, uploads: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["upload"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = uploads.filter(purpose=Upload.Purpose.FILE)
        field.error_messages = {
            "required": "Choose a file and wait until it has been sent.",
            "invalid_choice": "This upload is not one of a training file in this project. Upload the file again.",
        }


class DestinationForm(forms.Form):
    """What is learned from, and the model that what comes out becomes versions of."""

    dataset_version = _DatasetVersionField(queryset=None, label="Data", empty_label=None)
    model: forms.ModelChoiceField[RegisteredModel] = forms.ModelChoiceField(
        queryset=None,
        required=False,
        label="Model",
        empty_label="A new model",
        help_text="Each network that is trained becomes a version of it.",
    )
    model_name = forms.CharField(max_length=100, required=False, label="Name of the new model")

    def __init__(self, *args: Any, access: Access, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ready = access.query(DatasetVersion).ready().select_related("dataset").order_by("-id")
        for name, rows in (("dataset_version", ready), ("model", access.query(RegisteredModel).order_by("name"))):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = rows


class RunForm(DestinationForm):
    """A new training run, but for the spec's own fields: those are made from its schema (see spec_form)."""

    name = forms.CharField(
        max_length=100,
        required=False,
        label="Name of the run",
        help_text="The experiment's name if you leave it empty.",
    )
    spec = forms.CharField(
        label="TrainingSpec",
        widget=forms.Textarea(attrs={"rows": 30, "class": "form-control code-area", "spellcheck": "false"}),
        strip=False,
    )
