"""Who may do what: one line for every URL name and method of the console, the team API and the device API.

A new URL needs a line here, or test_every_url.py fails and names it. A line says the lowest role that may, and the
scope with which a server key may (none: no key may). Rows that stand in the URL are filled from the world by the
parameter's name; where that is ambiguous, the line says which (`version="dataset_version"`). `data` is the body, for
requests that need one to get past validation; most don't: being refused for bad input shows that the door was open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from apps.accounts.models import Role
from apps.projects.models import Scope


class Door(Enum):
    ANYBODY = "anybody, signed in or not"
    SIGNED_IN = "any signed-in person, for what is theirs"
    DEVICE = "a device key"


@dataclass(frozen=True)
class Line:
    name: str
    method: str
    needs: Role | Door
    scope: Scope | None = None
    data: Any = None
    query: str = ""
    rows: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}-{self.method}"


def line(name: str, method: str, needs: Role | Door, scope: Scope | None = None, **more: Any) -> Line:
    data, query = more.pop("data", None), more.pop("query", "")
    return Line(name, method, needs, scope, data, query, more)


VIEWER, LABELER, DEVELOPER, ADMIN, OWNER = Role.VIEWER, Role.LABELER, Role.DEVELOPER, Role.ADMIN, Role.OWNER
READ, DATASETS, TRAINING = Scope.READ, Scope.DATASETS, Scope.TRAINING
MODELS, DEPLOYMENTS = Scope.MODELS, Scope.DEPLOYMENTS
ANYBODY, SIGNED_IN, DEVICE = Door.ANYBODY, Door.SIGNED_IN, Door.DEVICE

LINES = [
    # --- The console ---
    line("healthz", "GET", ANYBODY),
    line("overview", "GET", SIGNED_IN),
    line("organization-create", "GET", SIGNED_IN),
    line("organization-create", "POST", SIGNED_IN),
    line("invitation", "GET", ANYBODY),
    line("invitation", "POST", SIGNED_IN),
    line("organization", "GET", VIEWER),
    line("organization-settings", "GET", VIEWER),
    line("organization-settings", "POST", ADMIN),
    line("organization-leave", "POST", VIEWER),
    line("member-list", "GET", VIEWER),
    line("member-list", "POST", ADMIN),
    line("member-role", "POST", ADMIN),
    line("member-remove", "POST", ADMIN),
    line("invitation-revoke", "POST", ADMIN),
    line("audit", "GET", VIEWER),
    line("project-create", "GET", ADMIN),
    line("project-create", "POST", ADMIN),
    line("project", "GET", VIEWER),
    line("project-settings", "GET", VIEWER),
    line("project-settings", "POST", ADMIN),
    line("key-list", "GET", VIEWER),
    line("key-create", "GET", DEVELOPER),
    line("key-create", "POST", DEVELOPER),
    line("key-revoke", "POST", DEVELOPER),
    line("job-list", "GET", VIEWER),
    line("job-bulk", "POST", DEVELOPER),
    line("job", "GET", VIEWER),
    line("job-cancel", "POST", DEVELOPER),
    line("job-priority", "POST", DEVELOPER),
    line("job-resume", "POST", DEVELOPER),
    line("job-retry", "POST", DEVELOPER),
    line("schedule-list", "GET", VIEWER),
    line("schedule-create", "GET", DEVELOPER),
    line("schedule-create", "POST", DEVELOPER),
    line("schedule", "GET", DEVELOPER),
    line("schedule", "POST", DEVELOPER),
    line("schedule-pause", "POST", DEVELOPER),
    line("schedule-resume", "POST", DEVELOPER),
    line("schedule-run", "POST", DEVELOPER),
    line("schedule-delete", "POST", DEVELOPER),
    line("notice-settings", "GET", VIEWER),
    line("notice-settings", "POST", VIEWER, data={"wants": "all"}),
    line("webhook-create", "GET", DEVELOPER),
    line("webhook-create", "POST", DEVELOPER),
    line("webhook", "GET", DEVELOPER),
    line("webhook", "POST", DEVELOPER),
    line("webhook-rotate", "POST", DEVELOPER),
    line("webhook-test", "POST", DEVELOPER),
    line("webhook-delete", "POST", DEVELOPER),
    line("webhook-delivery-again", "POST", DEVELOPER),
    line("dataset-list", "GET", VIEWER),
    line("dataset-create", "GET", DEVELOPER),
    line("dataset-create", "POST", DEVELOPER),
    line("dataset", "GET", VIEWER),
    line("dataset-delete", "POST", DEVELOPER),
    line("dataset-version", "GET", VIEWER, version="dataset_version"),
    line("dataset-version-delete", "POST", DEVELOPER, version="dataset_version"),
    line("dataset-version-file", "GET", VIEWER, version="dataset_version"),
    line("model-list", "GET", VIEWER),
    line("model-create", "GET", DEVELOPER),
    line("model-create", "POST", DEVELOPER),
    line("model", "GET", VIEWER),
    line("model-version-upload", "GET", DEVELOPER),
    line("model-version-upload", "POST", DEVELOPER),
    line("model-version", "GET", VIEWER),
    line("model-version-check", "POST", DEVELOPER),
    line("model-delete", "POST", DEVELOPER),
    line("model-version-delete", "POST", DEVELOPER),
    line("artifact-file", "GET", VIEWER),
    line("run-list", "GET", VIEWER),
    line("run-create", "GET", DEVELOPER),
    line("run-create", "POST", DEVELOPER),
    line("run-spec", "POST", DEVELOPER),
    line("file-list", "GET", VIEWER),
    line("file-list", "POST", DEVELOPER),
    line("file", "GET", VIEWER),
    line("file-delete", "POST", DEVELOPER),
    line("run", "GET", VIEWER),
    line("run-spec-file", "GET", VIEWER),
    line("run-compare", "GET", VIEWER),
    line("run-metrics-csv", "GET", VIEWER),
    line("study-list", "GET", VIEWER),
    line("study-create", "GET", DEVELOPER),
    line("study-create", "POST", DEVELOPER),
    line("study", "GET", VIEWER),
    line("study-pause", "POST", DEVELOPER),
    line("study-continue", "POST", DEVELOPER),
    line("study-cancel", "POST", DEVELOPER),
    line("study-change", "POST", DEVELOPER),
    line("run-metrics-json", "GET", VIEWER),
    line("tensorboard", "GET", VIEWER),
    line("tensorboard-page", "GET", VIEWER),
    line("tensorboard-page", "POST", VIEWER),
    line("tensorboard-part", "GET", VIEWER),
    line("tensorboard-part", "POST", VIEWER),
    line("deployment-list", "GET", VIEWER),
    line("deployment-create", "GET", DEVELOPER),
    line("deployment-create", "POST", DEVELOPER),
    line("deployment", "GET", VIEWER),
    line("deployment", "POST", DEVELOPER),
    line("deployment-rollback", "POST", DEVELOPER),
    line("signing", "GET", VIEWER),
    line("signing-rotate", "POST", ADMIN),
    line("signing-root", "GET", VIEWER),
    line("installation-list", "GET", VIEWER),
    line("installation", "GET", VIEWER),
    line("analytics", "GET", VIEWER),
    # --- The team API ---
    line("api-organization-list", "GET", SIGNED_IN),
    line("api-organization-list", "POST", SIGNED_IN),
    line("api-organization", "GET", VIEWER),
    line("api-organization", "PATCH", ADMIN),
    line("api-project-list", "GET", VIEWER),
    line("api-project-list", "POST", ADMIN),
    line("api-member-list", "GET", VIEWER),
    line("api-member", "GET", VIEWER),
    line("api-member", "PATCH", ADMIN),
    line("api-member", "DELETE", ADMIN),
    line("api-invitation-list", "GET", ADMIN),
    line("api-invitation-list", "POST", ADMIN),
    line("api-invitation", "DELETE", ADMIN),
    line("api-audit", "GET", VIEWER),
    line("api-project", "GET", VIEWER, READ),
    line("api-project", "PATCH", ADMIN),
    line("api-key-list", "GET", VIEWER),
    line("api-key-list", "POST", DEVELOPER),
    line("api-key", "GET", VIEWER),
    line("api-key", "DELETE", DEVELOPER),
    line("api-job-list", "GET", VIEWER, READ),
    line("api-job-bulk", "POST", DEVELOPER, TRAINING),
    line("api-job", "GET", VIEWER, READ),
    line("api-job-events", "GET", VIEWER, READ),
    line("api-job-cancel", "POST", DEVELOPER, TRAINING),
    line("api-job-priority", "POST", DEVELOPER, TRAINING, data={"priority": 10}),
    line("api-job-resume", "POST", DEVELOPER, TRAINING),
    line("api-job-retry", "POST", DEVELOPER, TRAINING),
    line("api-schedule-list", "GET", VIEWER, READ),
    line("api-schedule-list", "POST", DEVELOPER),
    line("api-schedule", "GET", VIEWER, READ),
    line("api-schedule", "PATCH", DEVELOPER),
    line("api-schedule", "DELETE", DEVELOPER),
    line("api-schedule-run", "POST", DEVELOPER, TRAINING),
    line("api-notices", "GET", VIEWER),
    line("api-notices", "PUT", VIEWER, data={"wants": "all"}),
    line("api-webhook-list", "GET", DEVELOPER),
    line("api-webhook-list", "POST", DEVELOPER),
    line("api-webhook", "GET", DEVELOPER),
    line("api-webhook", "PATCH", DEVELOPER),
    line("api-webhook", "DELETE", DEVELOPER),
    line("api-webhook-rotate", "POST", DEVELOPER),
    line("api-webhook-test", "POST", DEVELOPER),
    line("api-webhook-delivery-list", "GET", DEVELOPER),
    line("api-webhook-delivery-again", "POST", DEVELOPER),
    line("api-upload-list", "POST", DEVELOPER, DATASETS, data={"purpose": "dataset", "filename": "a.zip", "size": 1}),
    line("api-upload", "GET", VIEWER, READ),
    line("api-upload", "DELETE", DEVELOPER, DATASETS),
    line("api-upload-complete", "POST", DEVELOPER, DATASETS),
    line("api-dataset-list", "GET", VIEWER, READ),
    line("api-dataset-list", "POST", DEVELOPER, DATASETS),
    line("api-dataset", "GET", VIEWER, READ),
    line("api-dataset", "DELETE", DEVELOPER, DATASETS),
    line("api-dataset-version-list", "GET", VIEWER, READ),
    line("api-dataset-version-list", "POST", DEVELOPER, DATASETS),
    line("api-dataset-version", "GET", VIEWER, READ, version="dataset_version"),
    line("api-dataset-version", "DELETE", DEVELOPER, DATASETS, version="dataset_version"),
    line("api-dataset-version-file", "GET", VIEWER, READ, version="dataset_version"),
    line("api-model-list", "GET", VIEWER, READ),
    line("api-model-list", "POST", DEVELOPER, MODELS),
    line("api-model", "GET", VIEWER, READ),
    line("api-model-version-list", "GET", VIEWER, READ),
    line("api-model-version-list", "POST", DEVELOPER, MODELS),
    line("api-model-version", "GET", VIEWER, READ),
    line("api-model", "DELETE", DEVELOPER, MODELS),
    line("api-model-version", "DELETE", DEVELOPER, MODELS),
    line("api-model-version-check", "POST", DEVELOPER, MODELS),
    line("api-artifact-file", "GET", VIEWER, READ),
    line("api-study-list", "GET", VIEWER, READ),
    line("api-study-list", "POST", DEVELOPER, TRAINING),
    line("api-study", "GET", VIEWER, READ),
    line("api-study", "PATCH", DEVELOPER, TRAINING),
    line("api-trial-list", "GET", VIEWER, READ),
    line("api-study-pause", "POST", DEVELOPER, TRAINING),
    line("api-study-continue", "POST", DEVELOPER, TRAINING),
    line("api-study-cancel", "POST", DEVELOPER, TRAINING),
    line("api-run-list", "GET", VIEWER, READ),
    line("api-run-list", "POST", DEVELOPER, TRAINING),
    line("api-run", "GET", VIEWER, READ),
    line("api-run-metrics-csv", "GET", VIEWER, READ),
    line("api-run-metrics-json", "GET", VIEWER, READ),
    line("api-file-list", "GET", VIEWER, READ),
    line("api-file-list", "POST", DEVELOPER, TRAINING),
    line("api-file", "GET", VIEWER, READ),
    line("api-file", "DELETE", DEVELOPER, TRAINING),
    line("api-file-content", "GET", VIEWER, READ),
    line("api-deployment-list", "GET", VIEWER, READ),
    line("api-deployment-list", "POST", DEVELOPER, DEPLOYMENTS),
    line("api-deployment", "GET", VIEWER, READ),
    line("api-revision-list", "GET", VIEWER, READ),
    line("api-rollback", "POST", DEVELOPER, DEPLOYMENTS),
    line("api-installation-list", "GET", VIEWER, READ),
    line("api-analytics", "GET", VIEWER, READ),
    line("api-version-analytics", "GET", VIEWER, READ),
    # --- The device API ---
    line("device-manifest", "GET", DEVICE, query="installation=01890a5d-ac96-774b-bcce-b302099a8057"),
    line("device-root", "GET", DEVICE),
    line("device-model-file", "GET", DEVICE),
    line("device-events", "POST", DEVICE),
]

# Websockets take no methods; each has its own test of who gets in.
WEBSOCKETS = {"job-live": "tests/jobs/test_consumers.py"}

# Addresses without a line, and why.
EXCLUDED = {
    "metrics": "operators and who has METRICS_TOKEN (tests/jobs/test_queue_report.py)",
    "admin/": "operators only; Django admin asks for is_staff by itself (tests/console/test_admin.py)",
    "accounts/": "sign-in itself, by django-allauth (tests/accounts)",
    "api/schema/": "what the API looks like is no secret",
    "api/docs/": "what the API looks like is no secret",
    "files/": "a signed link is its own permission, for one file (tests/projects/test_file_links.py)",
}
