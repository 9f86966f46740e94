"""A device: its own process, with nothing of the platform in it. Prints one JSON object of what happened.

python device.py SERVER KEY DIRECTORY [--predict N] [--correct LABEL]
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

import device_client


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("key")
    parser.add_argument("directory")
    parser.add_argument("--predict", type=int, default=0)
    parser.add_argument("--correct", default="7")
    arguments = parser.parse_args()
    report: dict[str, object] = {"error": None, "version": None, "predictions": [], "sent": 0}
    client = device_client.initialize(
        server=arguments.server,
        api_key=arguments.key,
        app_version="2.3.0",
        directory=arguments.directory,
        background=False,
        user={"plan": "paid"},
    )
    digits = client.model("digits")
    try:
        client.update()
    except device_client.DeviceClientError as error:
        report["error"] = {"type": type(error).__name__, "code": error.code, "message": str(error)}
    if digits.version is not None:
        report["version"] = digits.version.id
        images = np.random.default_rng(3).integers(0, 256, (arguments.predict, 8, 8, 1)).astype(np.uint8)
        predictions = [digits.predict(image=image) for image in images]
        for prediction in predictions:
            digits.feedback(prediction, correct=arguments.correct)
        report["predictions"] = [prediction.label for prediction in predictions]
    try:
        report["sent"] = client.flush()
    except device_client.DeviceClientError as error:
        report["flush_error"] = {"type": type(error).__name__, "code": error.code}
    report["pending"] = client.pending_events
    report["installation"] = client.installation
    report["modules"] = sorted({"django", "tensorflow", "apps", "config"} & set(sys.modules))
    client.close()
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
