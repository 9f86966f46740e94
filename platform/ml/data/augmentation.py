"""How training examples are varied: declared by the dataset, applied by the training pipeline alone."""

from __future__ import annotations

from pydantic import Field

from ml.declared import Declared


class Augmentation(Declared):
    """Every limit is the largest change; each example gets random ones up to it. Zero changes nothing."""

    shift: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        title="Shift",
        description="Of a picture's side, or of the length of a signal; not of one whose steps have labels.",
    )
    rotate: float = Field(default=0.0, ge=0, le=180, title="Rotate", description="Degrees, either way.")
    zoom: float = Field(default=0.0, ge=0, le=0.9, title="Zoom", description="Share of the size, in or out.")
    shear: float = Field(default=0.0, ge=0, le=45, title="Shear", description="Degrees, either way.")
    flip: bool = Field(default=False, title="Flip", description="Left and right of pictures swapped half of the time.")
    brightness: float = Field(default=0.0, ge=0, le=1, title="Brightness", description="Of the range of pixel values.")
    contrast: float = Field(default=0.0, ge=0, le=0.9, title="Contrast", description="Share of the contrast.")
    noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        title="Noise",
        description="Deviation of added noise: of the pixel range or the signal's.",
    )
    gain: float = Field(default=0.0, ge=0, le=0.9, title="Gain", description="Share of a signal's amplitude.")
    drop: float = Field(
        default=0.0,
        ge=0,
        le=0.9,
        title="Drop",
        description="Share of words of a text, but for the first, or of a signal's length, left out.",
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=10,
        title="Mixup",
        description="α of Beta(α, α): examples and labels are mixed in pairs. Of classification without text only.",
    )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is changed."""
        return self == Augmentation()
