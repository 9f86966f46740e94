from __future__ import annotations

import re

import pytest

from ml.data.problems import Problems, known_codes
from ml.data.sources.base import RowProblem
from ml.features.reader import UnfitValueError
from ml.refusal import RefusedError
from tests.ml.conftest import ENGINE


def problem(code: str, path: str = "t.csv:2", field: str = "") -> RowProblem:
    return RowProblem(path, field, UnfitValueError(code, "this", "that"))


def test_no_problem_is_no_refusal():
    Problems().refuse(10, "rows")


def test_the_kind_that_came_first_is_told():
    problems = Problems()
    for one in (problem("ragged_row"), problem("unknown_class", "t.csv:3", "label"), problem("ragged_row", "t.csv:4")):
        problems.add(one)
    with pytest.raises(
        RefusedError, match=r"^2 of 10 rows .* t\.csv:2 \(this\), t\.csv:4 \(this\)\. Accepted: that\.$"
    ):
        problems.refuse(10, "rows")
    with pytest.raises(RefusedError, match=r"^1 of 10 rows .* Received: t\.csv:3, label \(this\)") as caught:
        problems.refuse(10, "rows", but="ragged_row")
    assert caught.value.code == "unknown_class"


def test_every_problem_that_a_row_can_have_is_described():
    sources = (path.read_text() for folder in ("data", "features") for path in (ENGINE / "ml" / folder).rglob("*.py"))
    raised = {code for text in sources for code in re.findall(r'UnfitValueError\(\s*"(\w+)"', text)}
    assert len(raised) > 15
    assert raised <= known_codes()
