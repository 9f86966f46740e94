"""A project's TUF keys and the metadata that they sign: numbered roots, and one Targets a decision.

docs/adr/signed-manifests.md says which parts of TUF are used and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.db import transaction
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import Metadata, Root, TargetFile, Targets  # type: ignore[attr-defined]

from apps.delivery.models import DeliveryState, SignedRoot
from apps.encryption import decrypt, encrypt
from apps.projects.models import Project

# What the private keys are encrypted for, see apps/encryption.py.
PURPOSE = "bantam.delivery.signing-keys"
# The root key lives beside the targets key, so an early expiry would protect nothing and would end every device that
# was offline for long; keys are exchanged by rotation instead.
ROOT_LIFETIME = timedelta(days=3650)
MANIFEST_LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class SigningKeys:
    root: CryptoSigner
    targets: CryptoSigner

    @classmethod
    def generate(cls) -> SigningKeys:
        return cls(CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519())

    @classmethod
    def of(cls, state: DeliveryState) -> SigningKeys:
        """Raises UnreadableError."""
        return cls(_decrypt(state.root_key), _decrypt(state.targets_key))


def signing_state(project: Project) -> DeliveryState:
    """The project's counter and keys; both keys and root number 1 are made on first use."""
    state: DeliveryState | None = DeliveryState.objects.for_project(project).first()
    if state is not None:
        return state
    with transaction.atomic():
        # Of two first uses at one moment, the second finds what the first made. Another publisher, which holds the
        # state by then, may make rows of the project meanwhile.
        project.lock()
        state = DeliveryState.objects.for_project(project).first()
        if state is None:
            keys = SigningKeys.generate()
            state = DeliveryState.across_tenants.create(
                project=project, root_key=_encrypt(keys.root), targets_key=_encrypt(keys.targets)
            )
            _store_root(project, _root(1, keys, signers=[keys.root]))
        return state


def replace_keys(state: DeliveryState) -> SignedRoot:
    """Make new keys and the next root, signed by the old and the new root key. The caller holds the row's lock.

    Raises UnreadableError.
    """
    old, new = SigningKeys.of(state), SigningKeys.generate()
    newest = SignedRoot.objects.for_project(state.project).order_by("-number").values_list("number", flat=True)[0]
    state.root_key, state.targets_key = _encrypt(new.root), _encrypt(new.targets)
    state.save(update_fields=["root_key", "targets_key"])
    return _store_root(state.project, _root(newest + 1, new, signers=[old.root, new.root]))


def sign_manifest(
    signer: CryptoSigner,
    *,
    revision: int,
    expires: datetime,
    files: Mapping[str, TargetFile],
    withheld: list[dict[str, Any]],
) -> bytes:
    """The bytes of a signed `Metadata[Targets]`.

    Same arguments, same bytes: the JSON is canonical and ed25519 deterministic. `withheld` says which models the device
    does not get, and why; it is signed along, as a field of Bantam's own.
    """
    extra: dict[str, Any] = {"withheld": withheld} if withheld else {}
    targets = Targets(version=revision, expires=expires, targets=dict(files), unrecognized_fields=extra)
    metadata = Metadata(targets)
    metadata.sign(signer)
    return metadata.to_bytes()


def manifest_expiry(now: datetime) -> datetime:
    """`now` + 7 days, rounded up to a day (UTC): the bytes change once a day, not with every request."""
    latest = now.astimezone(UTC) + MANIFEST_LIFETIME
    day = latest.date()
    if latest.timetz() != time.min.replace(tzinfo=UTC):
        day += timedelta(days=1)
    return _midnight(day)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _root(number: int, keys: SigningKeys, *, signers: list[CryptoSigner]) -> Metadata[Root]:
    expires = _midnight((datetime.now(UTC) + ROOT_LIFETIME).date())
    # TUF wants all four roles declared. Snapshot and timestamp get no key, so nothing can ever be signed for them.
    root = Root(version=number, expires=expires, consistent_snapshot=False)
    root.add_key(keys.root.public_key, Root.type)
    root.add_key(keys.targets.public_key, Targets.type)
    metadata = Metadata(root)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata


def _store_root(project: Project, root: Metadata[Root]) -> SignedRoot:
    return SignedRoot.across_tenants.create(project=project, number=root.signed.version, metadata=root.to_bytes())


# --- Private keys at rest --------------------------------------------------------------------------------------------


def _encrypt(signer: CryptoSigner) -> bytes:
    return encrypt(PURPOSE, signer.private_bytes)


def _decrypt(stored: bytes | memoryview) -> CryptoSigner:
    pem = decrypt(PURPOSE, stored)
    return CryptoSigner(cast(Ed25519PrivateKey, load_pem_private_key(pem, password=None)))
