"""Publishing, rolling back, exchanging the signing keys. Each makes the project's configuration one revision newer."""

from __future__ import annotations

from django.db import transaction

from apps.delivery.models import DeliveryState, Deployment, DeploymentRevision, SignedRoot
from apps.delivery.signing import replace_keys, signing_state
from apps.encryption import UnreadableError
from apps.errors import Refused
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.access import Access
from apps.projects.audit import record

MAX_NOTE = 200


def publish(*, access: Access, model: RegisteredModel, version: ModelVersion, note: str = "") -> DeploymentRevision:
    """Send `version` to the devices that use `model`, as a new revision of its deployment, made if there is none.

    Raises Refused: "version_gone", "wrong_model", "version_not_ready", "no_device_file", "already_published",
    "note_too_long".
    """
    with transaction.atomic():
        version = _publishable(access, model, version)
        state = _next_revision(access)
        deployment, _ = Deployment.across_tenants.get_or_create(project=access.project, model=model)
        current = deployment.current
        if current is not None and current.version_id == version.pk:
            raise Refused(
                "already_published",
                f"{version} is what devices get already, since revision {current.number}.",
                details=[{"field": "version", "message": "Devices get this version already."}],
                status=409,
            )
        revision = _new_revision(access, deployment, version, note=note)
        record(
            access, "deployment.published", version, revision=revision.number, note=note, configuration=state.revision
        )
    return revision


def rollback(
    *, access: Access, deployment: Deployment, revision: DeploymentRevision, note: str = ""
) -> DeploymentRevision:
    """Publish what an older revision served, as a new revision.

    Raises Refused: "wrong_deployment", "version_gone", "already_published", "version_not_ready", "no_device_file",
    "note_too_long".
    """
    if revision.deployment_id != deployment.pk:
        raise Refused(
            "wrong_deployment",
            f"{revision} belongs to another deployment than that of {deployment.model.name}.",
            details=[{"field": "revision", "message": "A revision of this deployment is accepted."}],
        )
    with transaction.atomic():
        version = _publishable(access, deployment.model, revision.version)
        state = _next_revision(access)
        deployment = Deployment.across_tenants.select_related("current", "model").get(pk=deployment.pk)
        if deployment.current is not None and deployment.current.version_id == version.pk:
            raise Refused(
                "already_published",
                f"Revision {revision.number} served {version}, which is what devices get now.",
                details=[{"field": "revision", "message": "Choose a revision that served another version."}],
                status=409,
            )
        new = _new_revision(access, deployment, version, note=note, rolled_back_to=revision)
        record(
            access,
            "deployment.rolled_back",
            version,
            revision=new.number,
            to=revision.number,
            note=note,
            configuration=state.revision,
        )
    return new


def rotate_keys(*, access: Access) -> SignedRoot:
    """Exchange the project's signing keys. Devices follow by the new root, which the old root key signs as well.

    Raises Refused("signing_keys_unreadable").
    """
    with transaction.atomic():
        state = _next_revision(access)
        try:
            root = replace_keys(state)
        except UnreadableError as error:
            raise Refused("signing_keys_unreadable", str(error), status=503) from error
        record(access, "signing_keys.rotated", access.project, root=root.number)
    return root


def _publishable(access: Access, model: RegisteredModel, version: ModelVersion) -> ModelVersion:
    """The version as it is now, locked until the transaction ends: what is published can't be deleted meanwhile.

    Taken before any other lock, as when a version is deleted; devices go on reporting events about it.
    """

    def refuse(code: str, message: str, status: int = 400) -> Refused:
        return Refused(code, message, details=[{"field": "version", "message": message}], status=status)

    rows = access.query(ModelVersion).select_related("model").select_for_update(of=("self",), no_key=True)
    name, version = str(version), rows.filter(pk=version.pk).first()
    if version is None:
        raise refuse("version_gone", f"{name} was deleted meanwhile. Choose another version.", 409)
    if version.model_id != model.pk:
        raise refuse("wrong_model", f"{version} is no version of {model.name}; only its own versions are accepted.")
    if version.state != ModelVersion.State.READY:
        raise refuse(
            "version_not_ready",
            f"{version} is {version.get_state_display().lower()}; only a version that passed its compatibility check "
            "can go to devices.",
        )
    if version.tflite is None:
        raise refuse("no_device_file", f"{version} has no .tflite file, so there is nothing a device could run.")
    return version


def _next_revision(access: Access) -> DeliveryState:
    """Lock the project's counter and raise it: publishers of one project take turns, and numbers never repeat."""
    signing_state(access.project)
    state: DeliveryState = DeliveryState.objects.for_project(access.project).select_for_update().get()
    state.revision += 1
    state.save(update_fields=["revision"])
    return state


def _new_revision(
    access: Access,
    deployment: Deployment,
    version: ModelVersion,
    *,
    note: str,
    rolled_back_to: DeploymentRevision | None = None,
) -> DeploymentRevision:
    if len(note) > MAX_NOTE:
        raise Refused(
            "note_too_long",
            f"A note has at most {MAX_NOTE} characters. Received: {len(note)}.",
            details=[{"field": "note", "message": f"At most {MAX_NOTE} characters are accepted."}],
        )
    newest = deployment.revisions.order_by("-number").values_list("number", flat=True).first() or 0
    revision = DeploymentRevision.across_tenants.create(
        project=access.project,
        deployment=deployment,
        number=newest + 1,
        version=version,
        note=note,
        rolled_back_to=rolled_back_to,
        created_by=access.user,
        api_key=access.api_key,
    )
    deployment.current = revision
    deployment.save(update_fields=["current"])
    return revision
