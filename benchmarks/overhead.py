"""What the engine costs above a bare tf_keras script: the same model, data and steps, each in a process of its own.

    make bench BENCH=overhead DATA=../shared/data [QUICK=1]

Both read the same TFRecord files, train 784-1000-1000-1000-10 on MNIST, measure on the validation split 20 times, and
write a SavedModel and a .tflite. Wall time is from after the import of TensorFlow to the end of the process; the engine
also compares, measures and describes what it wrote. Goals: wall time at most 1.10 times, peak memory at most 1.2 times.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks._datasets import mnist
from benchmarks._engine import ROOT, RUNS, figure, options, table

UNITS = [1000, 1000, 1000]
BATCH = 200
ROUNDS = 3


def main() -> None:
    if sys.argv[1:2] == ["--bare"]:
        bare(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
        return
    if sys.argv[1:2] == ["--engine"]:
        engine(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    data, quick = options(__doc__)
    folder, steps = mnist(data, limit=2000 if quick else None), 40 if quick else 1000
    RUNS.mkdir(parents=True, exist_ok=True)
    spec = RUNS / "overhead.json"
    spec.write_text(json.dumps(_spec(steps)))
    found: dict[str, list[dict[str, float]]] = {"bare": [], "engine": []}
    for number in range(1 if quick else ROUNDS):
        for name, arguments in (
            ("bare", [str(folder), str(RUNS / "bare"), str(steps)]),
            ("engine", [str(folder), str(spec)]),
        ):
            command = [sys.executable, "-m", "benchmarks.overhead", f"--{name}", *arguments]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"round {number + 1}, {name}: {found[name][-1]}", file=sys.stderr)
    middle = {
        name: {key: median(one[key] for one in runs) for key in ("seconds", "megabytes")}
        for name, runs in found.items()
    }
    table(
        [{"case": name, **{key: round(value, 1) for key, value in values.items()}} for name, values in middle.items()]
    )
    figure("overhead", "engine", "wall_ratio", round(middle["engine"]["seconds"] / middle["bare"]["seconds"], 3), "x")
    figure(
        "overhead", "engine", "memory_ratio", round(middle["engine"]["megabytes"] / middle["bare"]["megabytes"], 3), "x"
    )


def _spec(steps: int) -> dict[str, object]:
    return {
        "experiment_name": "overhead",
        "task": {"num_classes": 10},
        "features": [{"shape": [28, 28, 1]}],
        "hyperparameters": {"batch_size": BATCH, "steps": steps},
        "students": [{"id": "dense", "model_type": "feed_forward", "params": {"units": UNITS}}],
    }


def _say(started: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - started, "megabytes": peak}))


def engine(folder: Path, spec: Path) -> None:
    """`python -m ml train` with a clock that starts after the import of TensorFlow."""
    import shutil

    from ml.tensorflow_start import start_tensorflow

    start_tensorflow()
    import ml.training.run  # noqa: F401 — imported before the clock starts, as the script imports tf_keras
    from ml.commands import main as command

    out = RUNS / "overhead"
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    where = ["--out", str(out / "out"), "--work", str(out / "work")]
    status = command(["train", "--spec", str(spec), "--dataset", str(folder), *where])
    _say(started)
    sys.exit(status)


def bare(folder: Path, out: Path, steps: int) -> None:
    """What a person would write without the engine."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow as tf
    import tf_keras

    started = time.perf_counter()
    schema = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

    def read(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fields = tf.io.parse_single_example(record, schema)
        return tf.ensure_shape(tf.io.decode_png(fields["image"], 1), (28, 28, 1)), fields["label"]

    def split(name: str) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(str(folder / f"{name}.tfrecord")).map(read, num_parallel_calls=2).cache()

    training, validation = split("train"), split("validation").batch(512).prefetch(2)
    normalization = tf_keras.layers.Normalization(axis=None)
    normalization.adapt(training.map(lambda image, _: tf.cast(image, tf.float32)).batch(512))
    layers = [tf_keras.layers.Dense(width, activation="relu") for width in UNITS]
    model = tf_keras.Sequential(
        [tf_keras.Input((28, 28, 1)), normalization, tf_keras.layers.Flatten(), *layers, tf_keras.layers.Dense(10)]
    )
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    batches = training.shuffle(55_000, seed=7).repeat().batch(BATCH, drop_remainder=True).prefetch(4)
    evaluations = min(20, steps)
    model.fit(batches, steps_per_epoch=steps // evaluations, epochs=evaluations, validation_data=validation, verbose=0)
    model.evaluate(split("test").batch(512), verbose=0)
    model.export(str(out))
    (out / "model.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(out)).convert())
    _say(started)


if __name__ == "__main__":
    main()
