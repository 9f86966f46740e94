"""The device: a process with nothing but `device_client` and what it depends on.

Reads `images` (N, H, W) uint8 and `labels` (N,) from an .npz, asks the platform for the model, predicts every image,
tells which label was right, and prints what it saw as one JSON line.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time

import numpy as np

import device_client


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--images", required=True)
    options = parser.parse_args()
    data = np.load(options.images)
    started = time.perf_counter()
    client = device_client.initialize(
        server=options.server,
        api_key=options.api_key,
        app_version="2.3.0",
        user={"plan": "paid"},
        directory=options.directory,
    )
    model = client.model(options.model)
    version = model.wait(timeout=60)
    ready = time.perf_counter() - started
    correct = 0
    for image, label in zip(data["images"], data["labels"], strict=True):
        prediction = model.predict(image=image)
        correct += prediction.label == str(label)
        model.feedback(prediction, correct=str(label))
    client.flush(timeout=60)
    client.close()
    installed = [name for name in ("tensorflow", "django") if importlib.util.find_spec(name)]
    seen = {
        "version": version.id,
        "predictions": len(data["labels"]),
        "correct": correct,
        "ready_s": round(ready, 3),
        "heavy_modules": installed,
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
