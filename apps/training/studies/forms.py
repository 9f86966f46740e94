from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from apps.projects.access import Access
from apps.training.forms import DestinationForm
from apps.training.studies.models import MAX_AT_ONCE, MAX_TRIALS, Study
from apps.training.studies.objective import figures_of
from apps.training.studies.services import PLAN, Plan

CODE = {"class": "form-control code-area", "spellcheck": "false"}


class StudyForm(DestinationForm):
    """A new study. What is wrong with its spec, its space or its plan is said by the service."""

    name = forms.CharField(
        max_length=80,
        required=False,
        label="Name of the study",
        help_text="The experiment's name if you leave it empty.",
    )
    space = forms.CharField(
        label="What to vary",
        widget=forms.Textarea(attrs={"rows": 8, **CODE}),
        help_text="A field of the spec on each line, with its range or its choices.",
    )
    spec = forms.CharField(label="TrainingSpec", widget=forms.Textarea(attrs={"rows": 22, **CODE}), strip=False)
    metric = forms.ChoiceField(label="Figure", help_text="Measured on the validation split.")
    direction = forms.ChoiceField(required=False, label="Direction", choices=[("", "Usual"), *Study.Direction.choices])
    student = forms.CharField(
        max_length=64, required=False, label="Student", help_text="Its id; empty: the first one of the spec."
    )
    max_bytes = forms.IntegerField(
        required=False,
        min_value=1,
        label="Largest file (bytes)",
        help_text="Larger ones do not count. Empty: no limit.",
    )
    also_smallest = forms.BooleanField(required=False, label="Look for the smallest file as well (several best trades)")
    sampler = forms.ChoiceField(label="How values are chosen", choices=Study.Sampler)
    pruner = forms.ChoiceField(label="When trials are stopped early", choices=Study.Pruner)
    trials = forms.IntegerField(label="Trials", min_value=1, max_value=MAX_TRIALS)
    at_once = forms.IntegerField(label="At a time", min_value=1, max_value=MAX_AT_ONCE)
    minutes = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=525_600,
        label="Minutes",
        help_text="No trial begins after so long. Empty: no limit.",
    )
    seed = forms.IntegerField(label="Seed", min_value=0, max_value=2**31 - 1)
    starts_with_base = forms.BooleanField(required=False, label="Begin with the spec as it is")
    runs_on = forms.ChoiceField(label="Where trials run", choices=Study.RunsOn)

    def __init__(self, *args: Any, access: Access, task: str, **kwargs: Any) -> None:
        super().__init__(*args, access=access, **kwargs)
        metric = self.fields["metric"]
        assert isinstance(metric, forms.ChoiceField)
        metric.choices = [(figure.name, figure.title) for figure in figures_of(task)]
        if not settings.RAY_ADDRESS:
            del self.fields["runs_on"]

    def plan(self) -> Plan:
        """Of a form that is valid."""
        given = {name: value for name, value in self.cleaned_data.items() if name in PLAN}
        minutes = self.cleaned_data["minutes"]
        return Plan(**given, time_limit_s=minutes * 60 if minutes else None)


class ChangeForm(forms.Form):
    trials = forms.IntegerField(label="Trials", min_value=1, max_value=MAX_TRIALS)
    at_once = forms.IntegerField(label="At a time", min_value=1, max_value=MAX_AT_ONCE)
