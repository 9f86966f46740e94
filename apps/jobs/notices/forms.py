from __future__ import annotations

from django import forms

from apps.jobs.models import Job
from apps.jobs.notices.addresses import MAX_URL
from apps.jobs.notices.models import NoticeChoice, Webhook


class MailForm(forms.Form):
    wants = forms.ChoiceField(choices=NoticeChoice.Wants.choices, label="Mail me about", widget=forms.RadioSelect)


class WebhookForm(forms.Form):
    url = forms.CharField(
        max_length=MAX_URL,
        label="Address",
        help_text="A public https:// address of yours that takes a POST with JSON.",
        widget=forms.TextInput(attrs={"inputmode": "url", "autocapitalize": "none", "spellcheck": "false"}),
    )
    events = forms.MultipleChoiceField(
        choices=Webhook.Event.choices,
        label="Tell it when",
        widget=forms.CheckboxSelectMultiple,
        initial=[Webhook.Event.SUCCEEDED, Webhook.Event.FAILED],
    )
    kinds = forms.MultipleChoiceField(
        choices=Job.Kind.choices,
        required=False,
        label="Kinds of jobs",
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all kinds.",
    )
    enabled = forms.BooleanField(required=False, initial=True, label="Switched on")
