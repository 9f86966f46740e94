from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from apps.accounts.models import Role
from apps.projects.models import ApiKey, Scope


class _NamedForm(forms.Form):
    name = forms.CharField(max_length=100)
    slug = forms.SlugField(
        max_length=50,
        required=False,
        label="Address",
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "spellcheck": "false", "placeholder": "made of the name"}
        ),
    )


class OrganizationForm(_NamedForm):
    """Making an organization."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs.update({"autocomplete": "organization", "autofocus": True})
        self.fields["name"].help_text = "What your team or company is called."
        self.fields[
            "slug"
        ].help_text = "Letters, digits, - and _. It stands in every address and never changes: /o/<b>address</b>/"


class ProjectForm(_NamedForm):
    """Making a project."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autofocus"] = True
        self.fields["name"].help_text = "The application that will carry the models."
        self.fields[
            "slug"
        ].help_text = "Letters, digits, - and _. It stands in every address of the project and never changes."


class RenameForm(forms.Form):
    name = forms.CharField(max_length=100)


class InvitationForm(forms.Form):
    email = forms.EmailField(label="Email address", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(choices=Role.choices, initial=Role.DEVELOPER)

    def __init__(self, *args: Any, grantable: Sequence[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["role"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(role.value, role.label) for role in grantable]


class RoleForm(forms.Form):
    role = forms.TypedChoiceField(choices=Role.choices, coerce=Role)


class KeyForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        help_text="Where it will be used, such as “build server” or “Android app”.",
        widget=forms.TextInput(attrs={"autofocus": True}),
    )
    kind = forms.TypedChoiceField(
        coerce=ApiKey.Kind,
        choices=[
            (ApiKey.Kind.SERVER, "Server: for your team's scripts; keep it secret"),
            (ApiKey.Kind.DEVICE, "Device: goes into the application; opens the device API only"),
        ],
        initial=ApiKey.Kind.SERVER,
        widget=forms.RadioSelect,
    )
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Of server keys. A write scope includes reading. Leave all of them empty for a device key.",
    )


class AuditFilterForm(forms.Form):
    """What the audit page shows. The choices are what is in the organization's log."""

    actor = forms.ChoiceField(required=False)
    action = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, actors: Sequence[tuple[str, str]], actions: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in (
            ("actor", [("", "Everybody"), *actors]),
            ("action", [("", "Everything"), *((action, action) for action in actions)]),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices
