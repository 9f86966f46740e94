"""The base of everything that a person declares in a spec. No TensorFlow here."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"
NAME_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"


class Declared(BaseModel):
    """Frozen, unknown fields refused, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def titled(title: str) -> JsonDict:
    """The title of a field that is a model itself, which pydantic leaves out of the schema otherwise."""
    return {"title": title}
