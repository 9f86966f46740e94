"""Whose a session is, for what looks after the request that opened it, or comes without its cookie."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User


def user_of(session_key: str | None) -> User | None:
    """Whose session this is by now: nobody's after signing out, a change of password or the end of the account.

    Read anew from where sessions are kept; and only read, because `django.contrib.auth.get_user` may give the session
    another key, of which the browser would never hear.
    """
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
    if user is None:
        return None
    kept = session.get(HASH_SESSION_KEY, "")
    accepted = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user if any(constant_time_compare(kept, one) for one in accepted) else None
