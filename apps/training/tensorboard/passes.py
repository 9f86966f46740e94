"""Who a request of TensorBoard's own page comes from, since the browser sends no cookies with those.

A pass stands in the address of the page. It holds the key of the person's session, encrypted: whoever reads it learns
nothing, and it is worth no more and no longer than that session, for one project's TensorBoard and half a day.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.sessions import user_of
from apps.encryption import UnreadableError, decrypt, encrypt
from apps.projects.access import Access

PURPOSE = "bantam.tensorboard-pass"
# Addresses are kept in places that sessions are not: in a browser's history, in the log of a proxy.
GOOD_S = 12 * 3600


@dataclass(frozen=True)
class Holder:
    """Whose a pass is, for which project. `session`: the key of the session that it was made in."""

    user: User
    project: UUID
    session: str


def new_pass(request: HttpRequest, access: Access) -> str:
    """For the session of `request`, to the TensorBoard of the project of `access`."""
    content = json.dumps([request.session.session_key, str(access.project.pk)])
    return encrypt(PURPOSE, content.encode()).decode().rstrip("=")


def holder_of(given: str) -> Holder | None:
    """None for what is no pass or an old one, and after the person has signed out or changed their password."""
    try:
        content = decrypt(PURPOSE, (given + "=" * (-len(given) % 4)).encode(), good_s=GOOD_S)
    except (UnreadableError, ValueError):
        return None
    key, project = json.loads(content)
    user = user_of(key)
    return Holder(user, UUID(project), key) if user else None
