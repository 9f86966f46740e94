"""What the engine's search for students has left: read from the job's folder once, and arranged for the run's page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from apps.models.metrics import WATCHED, Figure
from apps.training.spec_text import to_yaml
from ml.spec_text import read_yaml
from ml.specs import TrainingSpec

Origin = Literal["search", "family"]
ORIGIN_TITLES: dict[Origin, str] = {"search": "Search", "family": "Family"}
# Many times what a search of today writes.
MAX_BYTES = 2**20
MAX_CANDIDATES = 200


class Candidate(BaseModel):
    """One student that was considered. `score` is the proposal's metric on the validation split."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    id: str = Field(max_length=64)
    model_type: str = Field(max_length=40)
    params: dict[str, Any]
    origin: Origin
    estimated_bytes: int
    bytes: int
    estimated_latency_ms: float | None
    latency_ms: float | None
    score: float
    is_chosen: bool


class Proposal(BaseModel):
    """The candidates, best first."""

    model_config = ConfigDict(frozen=True)

    metric: str = Field(max_length=40)
    candidates: list[Candidate] = Field(max_length=MAX_CANDIDATES)


@dataclass(frozen=True)
class Found:
    """A proposal, and the spec with its students as YAML."""

    proposal: Proposal
    yaml: str


def found_in(out: Path, spec: TrainingSpec) -> Found | None:
    """What a training of `spec` has proposed before it trained; None for a spec that says its students itself.

    A job's folder holds what a child wrote that may have run somebody's model: nothing is taken that does not fit.
    Raises ValueError then, and OSError for a file that is not there.
    """
    if spec.students:
        return None
    given = json.loads(_text(out / "proposal.json"))
    metric = given["metric"]
    candidates = [{**row, "score": row.get(metric)} for row in given["candidates"]]
    text = _text(out / "spec.yaml")
    data = read_yaml(text)
    if not isinstance(data, dict) or not TrainingSpec.parse(data).students:
        raise ValueError("The engine wrote a spec.yaml without students.")
    return Found(Proposal.model_validate({"metric": metric, "candidates": candidates}), to_yaml(data))


def _text(path: Path) -> str:
    if path.is_symlink() or (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path.name} is no file of at most {MAX_BYTES} bytes, as the engine writes it.")
    return path.read_bytes()[:size].decode()


@dataclass(frozen=True)
class CandidateLine:
    """A candidate as the page shows it: `score` as text; `latency_ms` None where time did not count."""

    id: str
    model_type: str
    origin: str
    estimated_bytes: int
    bytes: int
    estimated_latency_ms: float | None
    latency_ms: float | None
    score: str
    is_chosen: bool


@dataclass(frozen=True)
class ProposalTable:
    metric_title: str
    lines: list[CandidateLine]

    @property
    def has_latency(self) -> bool:
        return any(line.latency_ms is not None for line in self.lines)


def table_of(proposal: dict[str, Any] | None, task: str) -> ProposalTable | None:
    """The table of a run's stored proposal; None where there is none."""
    if proposal is None:
        return None
    found = Proposal.model_validate(proposal)
    watched = WATCHED[task]
    figure = watched if watched.name == found.metric else Figure(found.metric, found.metric, "number")
    lines = [
        CandidateLine(
            **one.model_dump(exclude={"params", "score", "origin"}),
            origin=ORIGIN_TITLES[one.origin],
            score=figure.text(one.score),
        )
        for one in found.candidates
    ]
    return ProposalTable(figure.title, lines)
