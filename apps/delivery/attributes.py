"""Reading what a device says of itself from a manifest's query string."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

from apps.delivery.snapshot import Attributes, version_tuple
from apps.errors import Detail, Refused

TEXTS = {
    "app_version": 50,
    "platform": 50,
    "os_version": 50,
    "device_model": 100,
    "runtime_version": 50,
    "language": 35,
    "country": 35,
}
NUMBERS = {"ram_mb": 10**9, "cpu_cores": 10**5}
USER_PREFIX = "user."
USER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")
MAX_USER_ATTRIBUTES = 50
MAX_USER_VALUE = 200


def parse_attributes(query: Mapping[str, str]) -> Attributes:
    """The attributes in a query string. Names that are not known are left out: a newer client may say more.

    Raises Refused("invalid") with one detail a field.
    """
    problems: list[Detail] = []

    def refuse(field: str, message: str) -> None:
        problems.append({"field": field, "message": message})

    texts = {name: query.get(name, "").strip() for name in TEXTS}
    for name, value in texts.items():
        if len(value) > TEXTS[name]:
            refuse(name, f"At most {TEXTS[name]} characters are accepted. Received: {len(value)}.")
        elif "\x00" in value:
            refuse(name, "A NUL character is not accepted.")
    if texts["runtime_version"] and version_tuple(texts["runtime_version"]) is None:
        refuse("runtime_version", f"A version such as 2.17.0 is accepted. Received: {texts['runtime_version'][:60]!r}.")
    numbers: dict[str, int | None] = {}
    for name, most in NUMBERS.items():
        raw = query.get(name, "")
        numbers[name] = int(raw) if re.fullmatch(r"[0-9]{1,10}", raw) and int(raw) <= most else None
        if raw and numbers[name] is None:
            refuse(name, f"A whole number from 0 to {most} is accepted. Received: {raw[:60]!r}.")
    installation = _uuid(query.get("installation", ""))
    if installation is None:
        received = query.get("installation", "")[:60]
        refuse("installation", f"A UUID made once by the device is needed. Received: {received!r}.")
    user = _user(query, refuse_with=problems)
    if problems or installation is None:
        message = "; ".join(f"{problem['field']}: {problem['message']}" for problem in problems)
        raise Refused("invalid", message, details=problems)
    return Attributes(
        installation=installation, ram_mb=numbers["ram_mb"], cpu_cores=numbers["cpu_cores"], user=user, **texts
    )


def _user(query: Mapping[str, str], *, refuse_with: list[Detail]) -> tuple[tuple[str, str], ...]:
    given = [name for name in query if name.startswith(USER_PREFIX)]
    if len(given) > MAX_USER_ATTRIBUTES:
        message = f"At most {MAX_USER_ATTRIBUTES} attributes of the user are accepted. Received: {len(given)}."
        refuse_with.append({"field": "user", "message": message})
        return ()
    for name in given:
        if not USER_NAME.fullmatch(name.removeprefix(USER_PREFIX)):
            message = "Names of 1 to 50 letters, digits and _ that begin with a letter are accepted after 'user.'."
            refuse_with.append({"field": name[:60], "message": message})
        elif len(query[name]) > MAX_USER_VALUE or "\x00" in query[name]:
            message = f"At most {MAX_USER_VALUE} characters, none of them NUL, are accepted."
            refuse_with.append({"field": name, "message": message})
    return tuple(sorted((name.removeprefix(USER_PREFIX), query[name]) for name in given))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
