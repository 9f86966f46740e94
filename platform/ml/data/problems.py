"""The rows of a source that can't be used, gathered so that one refusal names them."""

from __future__ import annotations

from collections import Counter

from ml.data.source_files import MAX_NAMED
from ml.data.sources.base import RowProblem
from ml.refusal import Detail, RefusedError

NAMED_IN_MESSAGE = 3
# Of these, the reason says all, and naming the file is enough.
_BROKEN = ("broken_image", "broken_audio")
_WHAT = {
    "ragged_row": "the number of fields is not that of the header",
    "broken_row": "a line is not a JSON object",
    "broken_record": "a record is not an example",
    "invalid_utf8": "a text is not UTF-8",
    "invalid_text": "a value is not text",
    "invalid_field": "a field does not hold its feature",
    "missing_value": "a value is missing",
    "missing_file": "a file that is named is not there",
    "unreadable_file": "a file can't be read",
    "unsafe_path": "a path leads outside",
    "not_a_number": "a value is not a number",
    "wrong_length": "the number of values is not that of the others",
    "bad_values": "a number is missing, NaN or infinite",
    "unknown_class": "a label is not in the class list",
    "invalid_label": "a label does not fit the task",
    "label_length_mismatch": "the number of labels is not that of the steps",
    "invalid_split": "the name of a split is unknown",
}


def known_codes() -> set[str]:
    """The codes that a row's problem may have."""
    return {*_WHAT, *_BROKEN}


class Problems:
    """Counts problems by code and keeps the first of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._first: dict[str, list[RowProblem]] = {}

    def add(self, problem: RowProblem) -> None:
        code = problem.error.code
        self.counts[code] += 1
        kept = self._first.setdefault(code, [])
        if len(kept) < MAX_NAMED:
            kept.append(problem)

    def refuse(self, total: int, noun: str, *, but: str | None = None) -> None:
        """Raises RefusedError if there is a problem of another code than `but`: that which came first.

        The message names the first three rows, the details the first 20.
        """
        code = next((code for code in self.counts if code != but), None)
        if code is None:
            return
        problems = self._first[code]
        details: list[Detail] = [
            {
                "field": _place(problem),
                "message": problem.error.reason
                if code in _BROKEN
                else f"{_WHAT[code]}. Received: {problem.error.reason}. Accepted: {problem.error.accepted}",
            }
            for problem in problems
        ]
        raise RefusedError(code, self._message(code, total, noun), details)

    def warning(self, code: str, total: int, noun: str) -> list[str]:
        """That the rows with problems of one code were left out, if there are any."""
        if not self.counts[code]:
            return []
        return [f"{self.counts[code]} of {total} {noun} were left out: {_WHAT[code]}, for example {self._named(code)}"]

    def _message(self, code: str, total: int, noun: str) -> str:
        count, accepted = self.counts[code], self._first[code][0].error.accepted
        if code in _BROKEN:
            return (
                f"{count} of {total} {noun} can't be read: {self._named(code)}. "
                f"Repair or remove them. Accepted: {accepted}."
            )
        return (
            f"{count} of {total} {noun} can't be used: {_WHAT[code]}. Received: {self._named(code)}. "
            f"Accepted: {accepted}."
        )

    def _named(self, code: str) -> str:
        count = self.counts[code]
        shown = [f"{_place(problem)} ({problem.error.reason})" for problem in self._first[code][:NAMED_IN_MESSAGE]]
        return ", ".join(shown) + (f" and {count - len(shown)} more" if count > len(shown) else "")


def _place(problem: RowProblem) -> str:
    return f"{problem.path}, {problem.field}" if problem.field else problem.path
