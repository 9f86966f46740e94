from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root, Targets  # type: ignore[attr-defined]

from apps.delivery.models import DeliveryState, SignedRoot
from apps.delivery.services import rotate_keys
from apps.delivery.signing import (
    SigningKeys,
    manifest_expiry,
    replace_keys,
    sign_manifest,
    signing_state,
)
from apps.encryption import UnreadableError
from apps.projects.models import AuditEntry
from tests.delivery.threads import at_once


def root_of(project, number: int) -> Metadata[Root]:
    row = SignedRoot.objects.for_project(project).get(number=number)
    return Metadata[Root].from_bytes(bytes(row.metadata))


def test_the_first_use_makes_the_keys_and_root_1(project):
    state = signing_state(project)
    root = root_of(project, 1)
    root.verify_delegate(Root.type, root)
    assert root.signed.version == 1
    keys = SigningKeys.of(state)
    assert root.signed.roles[Root.type].keyids == [keys.root.public_key.keyid]
    assert root.signed.roles[Targets.type].keyids == [keys.targets.public_key.keyid]
    assert keys.root.public_key.keytype == keys.targets.public_key.keytype == "ed25519"
    assert keys.root.public_key.keyid != keys.targets.public_key.keyid


def test_later_uses_find_the_same_keys(project):
    first = signing_state(project)
    again = signing_state(project)
    assert bytes(again.root_key) == bytes(first.root_key)
    assert SignedRoot.objects.for_project(project).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_first_uses_at_the_same_moment_make_one_root(project):
    states = at_once(signing_state, [project] * 4)
    assert len({bytes(state.root_key) for state in states}) == 1
    assert SignedRoot.objects.for_project(project).count() == 1


def test_nothing_can_be_signed_for_the_roles_that_are_not_used(project):
    signing_state(project)
    roles = root_of(project, 1).signed.roles
    assert roles["snapshot"].keyids == roles["timestamp"].keyids == []
    assert roles["snapshot"].threshold == 1


def test_two_projects_have_different_keys(project, other_project):
    assert SigningKeys.of(signing_state(project)).root.public_key != (
        SigningKeys.of(signing_state(other_project)).root.public_key
    )


def test_private_keys_are_not_stored_readable(project):
    state = signing_state(project)
    for stored in (state.root_key, state.targets_key):
        assert b"PRIVATE KEY" not in bytes(stored)
        assert bytes(stored).startswith(b"gAAAA")  # a Fernet token


def test_another_secret_key_can_not_read_them_and_says_so(project, settings):
    state = signing_state(project)
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(UnreadableError, match="SECRET_KEY"):
        SigningKeys.of(state)


def test_a_fallback_secret_key_still_reads_them(project, settings):
    state = signing_state(project)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, [settings.SECRET_KEY]
    assert SigningKeys.of(state).root.public_key.keyid in root_of(project, 1).signed.keys


def test_a_rotation_is_signed_by_the_old_and_the_new_root_key(project, access):
    before = signing_state(project)
    old = SigningKeys.of(before)
    rotate_keys(access=access)
    first, second = root_of(project, 1), root_of(project, 2)
    first.verify_delegate(Root.type, second)
    second.verify_delegate(Root.type, second)
    after = DeliveryState.objects.for_project(project).get()
    assert after.revision == before.revision + 1
    assert SigningKeys.of(after).targets.public_key.keyid in second.signed.roles[Targets.type].keyids
    assert old.targets.public_key.keyid not in second.signed.keys
    entry = AuditEntry.across_tenants.get(action="signing_keys.rotated")
    assert entry.details == {"root": 2}


def test_a_root_that_skips_one_is_not_trusted(project, access):
    signing_state(project)
    rotate_keys(access=access)
    rotate_keys(access=access)
    with pytest.raises(UnsignedMetadataError):
        root_of(project, 1).verify_delegate(Root.type, root_of(project, 3))


def test_a_rotation_without_the_old_key_changes_nothing(project, settings):
    state = signing_state(project)
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(UnreadableError):
        replace_keys(state)
    assert SignedRoot.objects.for_project(project).count() == 1


def test_the_same_arguments_give_the_same_bytes(project):
    keys = SigningKeys.of(signing_state(project))
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    withheld = [{"model": "digits", "reason": "runtime_too_old"}]
    first = sign_manifest(keys.targets, revision=3, expires=expires, files={}, withheld=withheld)
    again = sign_manifest(
        SigningKeys.of(DeliveryState.objects.for_project(project).get()).targets,
        revision=3,
        expires=expires,
        files={},
        withheld=withheld,
    )
    assert first == again
    assert Metadata[Targets].from_bytes(first).signed.unrecognized_fields == {"withheld": withheld}


@pytest.mark.parametrize(
    ("now", "expires"),
    [
        (datetime(2026, 11, 23, 0, 0, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)),
        (datetime(2026, 11, 23, 0, 0, 0, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        (datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_a_manifest_lives_seven_days_rounded_up_to_a_day(now, expires):
    assert manifest_expiry(now) == expires
