"""scikit-learn's 1,797 real handwritten digits (8×8, sixteen greys) as PNG files in class folders."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

GREYS = 16


def pixels() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (1797, 8, 8) from 0 to 255 and labels (1797,)."""
    digits = load_digits()
    return np.rint(digits.images * (255 / GREYS)).astype(np.uint8), digits.target


def write_archive(path: Path) -> dict[str, NDArray[np.uint8]]:
    """Write the zip to `path`; return each file's name in it with its pixels."""
    images, labels = pixels()
    files: dict[str, NDArray[np.uint8]] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            name = f"{label}/{index:04d}.png"
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            archive.writestr(name, buffer.getvalue())
            files[name] = image
    return files
