"""The best accuracy on MNIST for three sizes of file: 8-bit convolutional students, learned in the quantized space.

    make bench BENCH=mnist_frontier DATA=../shared/data [QUICK=1]

Goals: 97.0 % in 10 KB, 99.0 % in 24 KB, 99.4 % in 100 KB. Training pictures are shifted, turned, zoomed and sheared a
little. All three learn in one run; nothing was chosen by the test split.
"""

from __future__ import annotations

from typing import Any

from benchmarks._datasets import mnist
from benchmarks._engine import options, report, train
from ml.data.augmentation import Augmentation

AUGMENTATION = Augmentation(shift=0.07, rotate=10, zoom=0.1, shear=8)
EPOCHS = 14
BATCH = 128
STUDENTS = [
    {"id": "kb10", "model_type": "cnn", "params": {"filters": [5, 10]}},
    {"id": "kb24", "model_type": "cnn", "params": {"filters": [12, 24, 40]}},
    {"id": "kb100", "model_type": "cnn", "params": {"filters": [24, 48, 96]}},
]


def spec(*, steps: int) -> dict[str, Any]:
    return {
        "experiment_name": "mnist-frontier",
        "task": {"num_classes": 10},
        "features": [{"shape": [28, 28, 1]}],
        "hyperparameters": {
            "steps": steps,
            "batch_size": BATCH,
            "learning_rate": 0.003,
            "learning_rate_schedule": "cosine",
            "quantize": "int8",
        },
        "students": STUDENTS,
    }


def main() -> None:
    data, quick = options(__doc__)
    steps = 30 if quick else EPOCHS * 55_000 // BATCH
    models = train(spec(steps=steps), mnist(data, augmentation=AUGMENTATION), name="mnist_frontier")["by_id"]
    report("mnist_frontier", {"10KB": models["kb10"], "24KB": models["kb24"], "100KB": models["kb100"]})


if __name__ == "__main__":
    main()
