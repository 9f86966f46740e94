"""What goes into a model: one `FeatureSpec` for each input, the same in a spec, a dataset and a .tflite file."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from ml.declared import NAME_PATTERN, Declared, titled

FeatureType = Literal["image", "text", "sensor", "audio", "video", "vector"]

# The sizes of each type's shape, by name.
AXES: dict[FeatureType, tuple[tuple[str, ...], ...]] = {
    "image": (("height", "width", "channels"),),
    "video": (("frames", "height", "width", "channels"),),
    "text": (("bytes",), ("tokens", "bytes of a token")),
    "sensor": (("steps", "channels"),),
    "audio": (("samples",),),
    "vector": (("values",),),
}
MAX_VALUES = 2**24


class Spectrogram(Declared):
    """How sound becomes a picture of frequency over time, inside the model."""

    window_ms: float = Field(default=32.0, gt=0, le=1000, title="Window (ms)", description="Length of one frame.")
    hop_ms: float = Field(default=16.0, gt=0, le=1000, title="Hop (ms)", description="From one frame to the next.")
    bands: int = Field(default=40, ge=4, le=256, title="Bands", description="Mel frequency bands of a frame.")


class FeatureSpec(Declared):
    """One input of a model, as an application hands it over: raw pixels, samples, bytes or values, without a batch.

    | type | shape | dtype |
    |---|---|---|
    | image | height, width, channels (1 grey, 3 colour) | uint8 |
    | video | frames, height, width, channels | uint8 |
    | text | bytes of UTF-8, zeros after the end; or tokens, bytes of a token | uint8 |
    | sensor | steps, channels | float32 |
    | audio | samples of 16-bit PCM | int16 |
    | vector | values | float32 |
    """

    name: str = Field(
        default="image",
        pattern=NAME_PATTERN,
        title="Name",
        description="The field of an example, and the name of the model's input on the device.",
    )
    type: FeatureType = Field(default="image", title="Type", description="What kind of input it is.")
    shape: tuple[Annotated[int, Field(ge=1, le=MAX_VALUES)], ...] = Field(
        min_length=1,
        max_length=4,
        title="Shape",
        description="Sizes of one example: image height, width, channels; text bytes; sensor steps, channels …",
    )
    sample_rate: int | None = Field(
        default=None,
        ge=1000,
        le=192_000,
        validate_default=True,
        title="Sample rate",
        description="Samples a second; of audio only.",
    )
    spectrogram: Spectrogram = Field(
        default=Spectrogram(),
        validate_default=True,
        description="The front end of audio.",
        json_schema_extra=titled("Spectrogram"),
    )

    @field_validator("shape")
    @classmethod
    def check_shape(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        kind = info.data.get("type")
        if kind is None:  # its own error is reported
            return value
        accepted = AXES[kind]
        if len(value) not in map(len, accepted):
            forms = " or ".join(f"[{', '.join(axes)}]" for axes in accepted)
            raise ValueError(f"is not that of {kind}. Received: {list(value)}. Accepted: {forms}")
        if kind in ("image", "video") and value[-1] not in (1, 3):
            raise ValueError(f"has {value[-1]} channels. Received: {list(value)}. Accepted: 1 (grey) or 3 (colour)")
        if prod(value) > MAX_VALUES:
            raise ValueError(f"is too large. Received: {prod(value)} values. Accepted: at most {MAX_VALUES}")
        return value

    @field_validator("sample_rate")
    @classmethod
    def check_sample_rate(cls, value: int | None, info: ValidationInfo) -> int | None:
        kind = info.data.get("type")
        if kind == "audio" and value is None:
            raise ValueError("is needed for audio. Received: none. Accepted: samples a second, as 16000")
        if kind not in (None, "audio") and value is not None:
            raise ValueError(f"is of audio only. Received: {value}. Accepted: null")
        return value

    @field_validator("spectrogram")
    @classmethod
    def check_spectrogram(cls, value: Spectrogram, info: ValidationInfo) -> Spectrogram:
        rate, shape = info.data.get("sample_rate"), info.data.get("shape")
        if rate and shape and round(value.window_ms * rate / 1000) > shape[0]:
            raise ValueError(
                f"has a window longer than the sound. Received: {value.window_ms:g} ms. "
                f"Accepted: at most {shape[0] * 1000 / rate:g} ms"
            )
        return value

    @property
    def dtype(self) -> Literal["uint8", "int16", "float32"]:
        """Of the raw values, as NumPy and TensorFlow name it."""
        if self.type == "audio":
            return "int16"
        return "float32" if self.type in ("sensor", "vector") else "uint8"

    @property
    def frame_length(self) -> int:
        """Samples of one spectrogram window."""
        return max(1, round(self.spectrogram.window_ms * (self.sample_rate or 0) / 1000))

    @property
    def frame_step(self) -> int:
        """Samples from one spectrogram window to the next."""
        return max(1, round(self.spectrogram.hop_ms * (self.sample_rate or 0) / 1000))

    @property
    def frames(self) -> int:
        """Windows of a sound's spectrogram."""
        return 1 + (self.shape[0] - self.frame_length) // self.frame_step

    @property
    def steps(self) -> int | None:
        """How many outputs a sequence task has: steps, frames or tokens; None for what has none."""
        if self.type == "audio":
            return self.frames
        return self.shape[0] if self.type in ("sensor", "video") or self.is_tokens else None

    @property
    def picture(self) -> tuple[int, int, int]:
        """Height, width and channels of what convolutions see: a frame of a video, a spectrogram, steps one pixel wide.

        Channels are 1 where they are learned, as of text.
        """
        match self.type:
            case "image" | "video":
                height, width, channels = self.shape[-3:]
                return height, width, channels
            case "audio":
                return self.frames, self.spectrogram.bands, 1
            case "sensor":
                return self.shape[0], 1, self.shape[1]
        return self.shape[0], 1, 1

    @property
    def is_tokens(self) -> bool:
        """Whether it is text that comes as a list of tokens."""
        return self.type == "text" and len(self.shape) == 2
