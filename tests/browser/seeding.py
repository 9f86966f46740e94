"""Rows for pages to show, made inside of the platform under test, and somebody who is signed in to see them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from setup import ROOT

# Follows a module's SEED, which leaves `owner`, a user, and `seeded`, what its tests have to know.
SIGN_IN = """
import json
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
session = SessionStore()
session[SESSION_KEY] = str(owner.pk)
session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
session[HASH_SESSION_KEY] = owner.get_session_auth_hash()
session.save()
print(json.dumps({"session": session.session_key, **seeded}))
"""


def run_inside(environment: dict[str, str], script: str) -> str:
    """What `script` prints, run by the platform that was started with `environment`."""
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", script]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def sown(environment: dict[str, str], script: str) -> dict[str, Any]:
    """What `script` has `seeded`, and the key of its owner's session."""
    found: dict[str, Any] = json.loads(run_inside(environment, script + SIGN_IN).splitlines()[-1])
    return found
