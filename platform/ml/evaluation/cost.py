"""What a .tflite file costs a device: bytes to download and to keep, operations, memory."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TypedDict

from ml.evaluation.flops import count_flops
from ml.evaluation.memory import PeakMemory, peak_memory
from ml.reporting import Reporter


class Cost(TypedDict):
    """`compressed_bytes` is what a download takes; `memory` is None where it could not be measured."""

    bytes: int
    compressed_bytes: int
    flops: int
    memory: PeakMemory | None


def cost_of(path: Path, reporter: Reporter | None = None) -> Cost:
    """Measures one file, which must be a sound model: raises NotAModelError."""
    return {
        "bytes": path.stat().st_size,
        "compressed_bytes": compressed_bytes(path),
        "flops": count_flops(path),
        "memory": peak_memory(path, reporter),
    }


def compressed_bytes(path: Path) -> int:
    """The length of the file in zlib's form, level 9: what pruned or clustered weights save shows here only."""
    compressor = zlib.compressobj(9)
    size = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            size += len(compressor.compress(block))
    return size + len(compressor.flush())
