"""Sound: WAV files, all brought to one sample rate and one length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from ml.features.reader import FeatureReader, Size, UnfitValueError, length_of_most, most_common
from ml.features.resampling import resample
from ml.features.spec import FeatureSpec
from ml.features.stored import Stored
from ml.features.wav import BrokenWavError, Sound, read_wav

ACCEPTED = "WAV files with PCM of 8, 16, 24 or 32 bits or floats"


class AudioReader(FeatureReader[bytes]):
    """Values are WAV files. Sizes are (sample rate, samples)."""

    noun = "recordings"

    def read(self, given: object) -> bytes:
        if not isinstance(given, bytes):
            raise UnfitValueError("broken_audio", f"{type(given).__name__} instead of a file", ACCEPTED)
        return given

    def look(self, value: bytes) -> Size:
        sound = _sound(value)
        if not np.isfinite(sound.samples).all():
            place = int(np.argmin(np.isfinite(sound.samples)))
            raise UnfitValueError("bad_values", f"{sound.samples[place]} in sample {place + 1}", "finite samples")
        return sound.rate, len(sound.samples)

    def content(self, value: bytes) -> Iterable[bytes]:
        return (value,)

    def choose(self) -> tuple[FeatureSpec, list[str]]:
        rates: Counter[Size] = Counter()
        for size, count in self.sizes.items():
            rates[size[:1]] += count
        rate = self.source.sample_rate or most_common(rates)[0]
        lengths: Counter[int] = Counter()
        for (own, samples), count in self.sizes.items():
            lengths[-(-samples * rate // own)] += count
        feature = self.make_spec(self.source.shape or (length_of_most(lengths),), sample_rate=rate)
        warnings = []
        others = self.count - rates[rate,]
        if others:
            warnings.append(
                f"{others} of {self.count} recordings have another sample rate and were resampled to {rate}"
            )
        cut = sum(count for length, count in lengths.items() if length > feature.shape[0])
        if cut:
            warnings.append(
                f"{cut} of {self.count} recordings are longer than {feature.shape[0]} samples and lose their end"
            )
        return feature, warnings

    def store(self, value: bytes, feature: FeatureSpec) -> Stored:
        """16-bit PCM, little-endian: resampled, cut or followed by silence."""
        sound = _sound(value)
        assert feature.sample_rate is not None
        samples = resample(sound.samples, sound.rate, feature.sample_rate, length=feature.shape[0])
        pcm = np.zeros(feature.shape, "<i2")
        pcm[: len(samples)] = np.clip(np.rint(samples * 2.0**15), -(2**15), 2**15 - 1)
        return pcm.tobytes()


def _sound(value: bytes) -> Sound:
    try:
        return read_wav(value)
    except BrokenWavError as error:
        raise UnfitValueError("broken_audio", str(error), ACCEPTED) from None
