"""Videos: frames that are images, all brought to one size and one number of frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ml.features.image import ACCEPTED, choose_picture, look_at_image, store_picture
from ml.features.reader import FeatureReader, Size, UnfitValueError, most_common
from ml.features.spec import FeatureSpec
from ml.features.stored import Stored


class VideoReader(FeatureReader[list[bytes]]):
    """Values are encoded images in order. Without a declared shape, the most common number of frames is taken."""

    noun = "videos"

    def read(self, given: object) -> list[bytes]:
        if not isinstance(given, list) or not all(isinstance(frame, bytes) for frame in given):
            raise UnfitValueError("broken_image", f"{type(given).__name__} instead of frames", ACCEPTED)
        if not given:
            raise UnfitValueError("broken_image", "no frames", f"at least one frame: {ACCEPTED}")
        return given

    def look(self, value: list[bytes]) -> Size:
        sizes = [look_at_image(frame) for frame in value]
        height, width = most_common(Counter(size[:2] for size in sizes))
        return len(value), height, width, max(size[2] for size in sizes)

    def content(self, value: list[bytes]) -> Iterable[bytes]:
        return value

    def choose(self) -> tuple[FeatureSpec, list[str]]:
        counts: Counter[Size] = Counter()
        for size, count in self.sizes.items():
            counts[size[:1]] += count
        frames = self.source.shape[0] if self.source.shape else most_common(counts)[0]
        feature, warnings = choose_picture(self, (frames,))
        others = self.count - counts[frames,]
        if others:
            warnings.append(
                f"{others} of {self.count} videos have another number of frames; {frames} were taken at equal distances"
            )
        return feature, warnings

    def store(self, value: list[bytes], feature: FeatureSpec) -> Stored:
        return [store_picture(value[place], feature) for place in frame_places(len(value), feature.shape[0])]

    def steps(self, value: list[bytes]) -> int:
        return len(value)

    def labels_of_steps(self, labels: Sequence[str], value: list[bytes], feature: FeatureSpec) -> Sequence[str]:
        return [labels[place] for place in frame_places(len(value), feature.shape[0])]

    def preview(self, stored: Stored) -> bytes | None:
        return stored[0] if isinstance(stored, list) and isinstance(stored[0], bytes) else None


def frame_places(found: int, wanted: int) -> list[int]:
    """Which of `found` frames stand for `wanted` ones at equal distances; repeated where there are too few."""
    return [(2 * place + 1) * found // (2 * wanted) for place in range(wanted)]
