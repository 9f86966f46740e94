"""The one exception by which a service refuses what a person or a program asked for."""

from collections.abc import Sequence
from typing import TypedDict


class Detail(TypedDict):
    """One reason, tied to the field that it is about (empty: the request as a whole)."""

    field: str
    message: str


class Refused(Exception):  # noqa: N818  (reads as what happened)
    """A request that is understood and turned down; nothing was changed.

    `code` is snake_case and stable, `message` says what was wrong, what was received and what is accepted, `details`
    ties reasons to fields, `status` is the HTTP status an API answers with. Pages show the message beside the field.
    """

    def __init__(self, code: str, message: str, *, details: Sequence[Detail] = (), status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = list(details)
        self.status = status
