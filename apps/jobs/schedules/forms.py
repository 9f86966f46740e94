from __future__ import annotations

from copy import deepcopy
from typing import Any

from django import forms

from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.rhythm import Every, Weekday, zones
from apps.jobs.schedules.services import MAX_NAME
from apps.jobs.schedules.starting import Startable


class ScheduleForm(forms.Form):
    """When a schedule is due, after the fields of what it starts."""

    name = forms.CharField(
        max_length=MAX_NAME, required=False, label="Name", help_text="Made of what it starts if you leave it empty."
    )
    every = forms.ChoiceField(choices=Every, label="How often", initial=Every.WEEK)
    weekday = forms.ChoiceField(choices=Weekday, required=False, label="Day", initial=Weekday.MONDAY)
    at = forms.TimeField(
        label="Time",
        initial="06:00",
        input_formats=["%H:%M", "%H:%M:%S"],
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"invalid": "A time is written as hours and minutes, such as 06:00."},
        help_text="Of an hourly one only the minutes count.",
    )
    zone = forms.ChoiceField(label="Time zone", initial="UTC", help_text="Whose clocks count, in summer and in winter.")

    def __init__(self, *args: Any, startable: Startable, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.payload_names = list(startable.fields)
        self.fields.update({name: deepcopy(one) for name, one in startable.fields.items()})
        self.order_fields(["name", *self.payload_names])
        zone = self.fields["zone"]
        assert isinstance(zone, forms.ChoiceField)
        zone.choices = [(name, name.replace("_", " ")) for name in zones()]

    def chosen(self) -> dict[str, Any]:
        """The fields of a Plan that a valid form sets: all but `enabled`."""
        given = self.cleaned_data
        return {
            "payload": {name: str(given[name]) for name in self.payload_names},
            "weekday": given["weekday"] if given["every"] == Every.WEEK else "",
            **{name: given[name] for name in ("name", "every", "at", "zone")},
        }


def values_of(schedule: JobSchedule) -> dict[str, Any]:
    """What the form shows of a schedule."""
    weekday = schedule.weekday or Weekday.MONDAY
    shown = {name: getattr(schedule, name) for name in ("name", "every", "at", "zone")}
    return {**schedule.payload, **shown, "weekday": weekday}
