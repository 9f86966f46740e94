"""The seven steps of the main job. Each checks its own result; the first that is not so ends the demo."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from demo.client import Json, Session, Team
from demo.digits import write_archive
from demo.screen import CheckError, bar, step

STEPS = 7
EMAIL, PASSWORD = "demo@bantam.example", "bantam-demo-2026"
ORGANIZATION, PROJECT, MODEL = "Demo team", "Digit reader", "digits"
SPEC = Path(__file__).parents[1] / "platform/ml/examples/digits.yaml"
SCOPES = ["read", "datasets", "training", "models", "deployments"]


@dataclass
class Journey:
    """What the steps hand on to each other."""

    server: str
    device_python: Path
    team: Team = field(init=False)
    project_path: str = ""
    device_key: str = ""
    images: dict[str, Any] = field(default_factory=dict)
    dataset_version: Json = field(default_factory=dict)
    trained: Json = field(default_factory=dict)
    versions: list[Json] = field(default_factory=list)
    deployed: Json = field(default_factory=dict)
    device: Json = field(default_factory=dict)

    def run(self) -> None:
        self.set_up()
        self.import_digits()
        self.train()
        self.check_versions()
        self.deploy()
        self.run_device()
        self.read_analytics()

    def set_up(self) -> None:
        with step(1, STEPS, "Sign up; make an organization, a project and keys") as current:
            person = Session(self.server)
            person.sign_up(EMAIL, PASSWORD)
            organization = person.post("/api/v1/organizations", {"name": ORGANIZATION})
            project = person.post(f"/api/v1/organizations/{organization['slug']}/projects", {"name": PROJECT})
            keys = f"/api/v1/projects/{project['id']}/keys"
            server_key = person.post(keys, {"name": "demo script", "kind": "server", "scopes": SCOPES})
            device_key = person.post(keys, {"name": "demo device", "kind": "device"})
            self.project_path = f"/o/{organization['slug']}/p/{project['slug']}/"
            self.team = Team(self.server, project["id"], server_key["secret"])
            self.device_key = device_key["secret"]
            current.note(f"{organization['name']} / {project['name']}, a server key and a device key")

    def import_digits(self) -> None:
        with step(2, STEPS, "Upload 1,797 handwritten digits and import them") as current:
            with tempfile.TemporaryDirectory() as folder:
                archive = Path(folder) / "digits.zip"
                self.images = write_archive(archive)
                upload = self.team.upload(archive, "dataset")
            dataset = self.team.post("datasets", {"name": "Handwritten digits"})
            made = self.team.post(
                f"datasets/{dataset['id']}/versions", {"upload": upload, "seed": 7, "validation": 0.1, "test": 0.2}
            )
            with bar("importing") as show:
                self.team.wait_for_job(made["job"], show)
            version = self.dataset_version = self.team.get(f"dataset-versions/{made['id']}")
            current.check(version["state"] == "ready", "the dataset version is ready")
            current.check(version["num_examples"] == len(self.images), f"all {len(self.images):,} images are in it")
            current.check(len(version["classes"]) == 10, "ten classes were found")
            current.note("splits: " + ", ".join(f"{name} {count}" for name, count in version["splits"].items()))

    def train(self) -> None:
        with step(3, STEPS, "Train a convolutional trainer and three students jointly") as current:
            run = self.team.post(
                "training-runs",
                {
                    "name": "Demo run",
                    "dataset_version": self.dataset_version["id"],
                    "model_name": MODEL,
                    "spec": SPEC.read_text(),
                },
            )
            with bar("training") as show:
                self.team.wait_for_job(run["job"]["id"], show)
            run = self.trained = self.team.get(f"training-runs/{run['id']}")
            self.versions = [
                self.team.get(f"model-versions/{row['version']}") | {"role": row["role"]}
                for row in run["trained_models"]
            ]
            students = [row for row in self.versions if row["role"] == "student"]
            current.check(len(self.versions) == 4 and len(students) == 3, "one trainer and three students came out")
            for row in self.versions:
                accuracy = row["metrics"]["test"]["accuracy"]
                size = tflite_of(row)["bytes"]
                current.note(f"{row['role']:8} {row['label']:12} {accuracy:7.2%} on the test split, {size:9,} bytes")
            best = max(row["metrics"]["test"]["accuracy"] for row in self.versions)
            current.check(best >= 0.95, "the best is right on at least 95 % of the test split")

    def check_versions(self) -> None:
        with step(4, STEPS, "Check that every version runs on devices") as current:
            deadline = time.monotonic() + 120
            waiting = {row["id"] for row in self.versions}
            with bar("checking") as show:
                while waiting and time.monotonic() < deadline:
                    rows = [self.team.get(f"model-versions/{row['id']}") for row in self.versions]
                    waiting = {row["id"] for row in rows if row["state"] == "checking"}
                    show(1 - len(waiting) / len(rows), "")
                    time.sleep(0.2)
            for old, new in zip(self.versions, rows, strict=True):
                current.check(new["state"] == "ready", f"{new['label']} is ready: LiteRT {new['min_runtime']} or newer")
                old.update(new)

    def deploy(self) -> None:
        budget = budget_in_words(self.trained["spec"]["budget"])
        with step(5, STEPS, f"Deploy the best student: {budget}") as current:
            best = best_version(self.trained)
            current.check(best is not None, "a student fits the budget, and the validation split chose among those")
            self.deployed = next(row for row in self.versions if row["id"] == best)
            deployment = self.team.post(
                "deployments",
                {
                    "model": self.deployed["model"]["id"],
                    "version": self.deployed["id"],
                    "note": "Best within the budget",
                },
            )
            current.check(
                deployment["current"]["version"]["id"] == self.deployed["id"], f"{self.deployed['label']} is published"
            )

    def run_device(self) -> None:
        with (
            step(6, STEPS, "Run a device: its own process, with nothing but the client") as current,
            tempfile.TemporaryDirectory() as folder,
        ):
            index = self.team.download(f"dataset-versions/{self.dataset_version['id']}/files/index.jsonl")
            rows = [json.loads(line) for line in index.splitlines()]
            test = [row for row in rows if row["split"] == "test"]
            npz = Path(folder) / "test.npz"
            np.savez(
                npz, images=np.stack([self.images[row["path"]] for row in test]), labels=[row["label"] for row in test]
            )
            command: list[str | Path] = [
                self.device_python,
                Path(__file__).with_name("device.py"),
                "--server",
                self.server,
            ]
            command += [
                "--api-key",
                self.device_key,
                "--model",
                MODEL,
                "--directory",
                Path(folder) / "device",
                "--images",
                npz,
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
            if done.returncode != 0:
                raise CheckError(f"The device process ended with status {done.returncode}:\n{done.stderr[-2000:]}")
            self.device = json.loads(done.stdout.splitlines()[-1])
            current.check(self.device["heavy_modules"] == [], "the device has neither TensorFlow nor Django")
            current.check(self.device["version"] == self.deployed["id"], "it verified and loaded the published version")
            current.check(self.device["predictions"] == len(test), f"it predicted all {len(test)} test images")
            current.note(f"ready {self.device['ready_s']:.2f} s after its start")

    def read_analytics(self) -> None:
        with step(7, STEPS, "Read back what the device reported") as current:
            report = self.team.get(f"analytics/versions/{self.deployed['id']}")
            count, correct = self.device["predictions"], self.device["correct"]
            expected = {"assigned": 1, "downloaded": 1, "loaded": 1, "inferred": count, "feedback": count, "failed": 0}
            for kind, number in expected.items():
                seen = report["events"].get(kind, 0)
                current.check(seen == number, f"{kind}: {seen} of {number} event{'s' * (number != 1)}, each once")
            current.check(report["feedback"]["correct"] == correct, f"{correct} of {count} answers were right")
            server = self.deployed["metrics"]["test"]["accuracy"]
            current.check(
                report["feedback"]["accuracy"] == correct / count == server,
                f"the device's accuracy equals the server's evaluation of the same file: {server:.4%}",
            )
            current.note(
                f"one inference: p50 {report['latency_ms']['p50']:.3f} ms, p95 {report['latency_ms']['p95']:.3f} ms"
            )


def best_version(run: Json) -> str | None:
    """The id of the version that the run names as its best student, if one fits the budget of its spec.

    The platform chose it by the validation split, so that the test split stays a fair measure of the one chosen.
    """
    return next((row["version"] for row in run["trained_models"] if row["id"] == run["best_student"]), None)


def budget_in_words(budget: Json) -> str:
    limits = []
    if budget["max_bytes"] is not None:
        limits.append(f"at most {budget['max_bytes']:,} bytes")
    if budget["max_latency_ms"] is not None:
        limits.append(f"at most {budget['max_latency_ms']:g} ms")
    return " and ".join(limits) or "without a budget"


def tflite_of(version: Json) -> Json:
    """The version's .tflite artifact."""
    return next(artifact for artifact in version["artifacts"] if artifact["kind"] == "tflite")
