from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from apps.datasets.models import DatasetVersion
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


class RunForm(forms.Form):
    """A new training run, but for the spec's own fields: those are made from its schema (see spec_form)."""

    name = forms.CharField(
        max_length=100,
        required=False,
        label="Name of the run",
        help_text="The experiment's name if you leave it empty.",
    )
    dataset_version = _DatasetVersionField(queryset=None, label="Data", empty_label=None)
    model: forms.ModelChoiceField[RegisteredModel] = forms.ModelChoiceField(
        queryset=None,
        required=False,
        label="Model",
        empty_label="A new model",
        help_text="Each network that is trained becomes a version of it.",
    )
    model_name = forms.CharField(max_length=100, required=False, label="Name of the new model")
    spec = forms.CharField(
        label="TrainingSpec",
        widget=forms.Textarea(attrs={"rows": 30, "class": "form-control code-area", "spellcheck": "false"}),
        strip=False,
    )

    def __init__(self, *args: Any, access: Access, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ready = access.query(DatasetVersion).ready().select_related("dataset").order_by("-id")
        for name, rows in (("dataset_version", ready), ("model", access.query(RegisteredModel).order_by("name"))):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = rows
