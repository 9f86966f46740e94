"""What the engine says when it refuses the input that it was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class Detail(TypedDict):
    """One refused field: its dotted path, and why in a sentence for a person."""

    field: str
    message: str


class RefusedError(Exception):
    """The user's input can't be worked on. Ends a command with exit status 2.

    `code` is a stable snake_case word for programs; `message` says what was wrong, what was received and what is
    accepted; `details` names fields or files, one entry each.
    """

    def __init__(self, code: str, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: list[Detail] = list(details)
