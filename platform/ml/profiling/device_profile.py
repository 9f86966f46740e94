"""How fast a device runs models: what `python -m ml profile` measures there, and what predicts a model's latency."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, get_args

from pydantic import Field, ValidationError, field_validator

from ml.declared import Declared
from ml.files import write_json
from ml.profiling.reference_models import Kind, Number
from ml.refusal import Detail, RefusedError

if TYPE_CHECKING:
    from ml.specs import Budget

FIELD = "budget.device_profile"


class Speed(Declared):
    """Time of one kind of operation: overhead_ms + ms_per_million · millions.

    `millions` are 10⁶ floating-point operations (two for a multiply-add) of convolutions, dense layers and Fourier
    transforms, 10⁶ values of the others. Outputs are worked on in groups of `tile` channels, and a group that is not
    full takes as long as a full one. `error` is the root of the mean squared relative error over what was measured.
    """

    overhead_ms: float = Field(ge=0)
    ms_per_million: float = Field(ge=0)
    tile: int = Field(default=1, ge=1)
    error: float = Field(default=0.0, ge=0)

    def padded(self, outputs: int) -> int:
        """The channels that are worked on for so many outputs."""
        return -(-outputs // self.tile) * self.tile


class DeviceProfile(Declared):
    """What is in the file. `speeds`: by "<kind>/<number>", as "convolution/int8"."""

    VERSION: ClassVar[int] = 1

    version: int = VERSION
    name: str = Field(max_length=200)
    runtime: str = Field(default="", max_length=200)
    invoke_ms: float = Field(ge=0)
    speeds: dict[str, Speed] = Field(min_length=1)

    @field_validator("version")
    @classmethod
    def check_version(cls, value: int) -> int:
        if value != cls.VERSION:
            raise ValueError(f"is not a version of this format. Received: {value}. Accepted: {cls.VERSION}")
        return value

    @field_validator("speeds")
    @classmethod
    def check_names(cls, value: dict[str, Speed]) -> dict[str, Speed]:
        missing = [name for name in REQUIRED if name not in value]
        if missing:
            raise ValueError(
                f"lack {', '.join(missing)}. Received: {', '.join(value)}. Accepted: {', '.join(REQUIRED)}"
            )
        for name in value:
            kind, _, number = name.partition("/")
            if kind not in get_args(Kind) or number not in get_args(Number):
                accepted = f"{', '.join(get_args(Kind))}, each with /{' or /'.join(get_args(Number))}"
                raise ValueError(f"have an unknown name. Received: {name}. Accepted: {accepted}")
        return value

    def speed(self, kind: Kind, number: Number) -> Speed:
        """That of an operation on such numbers, or on floats where nothing is known of them."""
        known = (f"{kind}/{number}", f"{kind}/float32", f"{kind}/int32")
        return next(self.speeds[name] for name in known if name in self.speeds)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises RefusedError `unreadable_profile`."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise _unreadable(path, error.strerror or type(error).__name__) from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise _unreadable(path, f"{where}: {first['msg']}" if where else first["msg"]) from None

    def write(self, path: Path) -> None:
        write_json(path, self.model_dump(mode="json"))


def _unreadable(path: Path, reason: str) -> RefusedError:
    accepted = "a file written by `python -m ml profile`"
    message = f"can't be read as a device profile ({reason}). Received: {path.name}. Accepted: {accepted}"
    detail: Detail = {"field": FIELD, "message": message}
    return RefusedError("unreadable_profile", f"{FIELD}: {message}.", [detail])


def profile_of(budget: Budget, spec_folder: Path) -> DeviceProfile | None:
    """The device profile that a budget names, or None. Raises RefusedError `unreadable_profile`."""
    return None if budget.device_profile is None else DeviceProfile.read(spec_folder / budget.device_profile)


REQUIRED = (
    *(f"{kind}/float32" for kind in ("convolution", "depthwise", "dense", "elementwise", "moving", "fourier")),
    "scalar/int32",
)
