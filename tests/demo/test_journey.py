"""What `make demo` decides and says by itself; the journey is walked by CI."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from demo.__main__ import NOT_OF_THE_DEMO, embedded_default, in_words
from demo.journey import SPEC, best_version, budget_in_words
from ml.specs import Budget

SETTINGS = Path(__file__).resolve().parents[2] / "platform/config/settings.py"
# What changes how fast the demo is or what it logs, and where its assets lie, but not what it shows.
OF_THE_DEMO = {"DEBUG", "JOB_WORKERS", "LOG_LEVEL", "STATIC_HASHED", "STATIC_ROOT"}
# How many jobs run for whom, and how soon what went wrong is tried again; who may read the figures.
OF_THE_DEMO |= {"JOB_MAX_RUNNING", "JOB_MAX_ATTEMPTS", "JOB_RETRY_S", "JOB_CANARY_S", "JOB_SAVE_EVERY_S"}
OF_THE_DEMO |= {"METRICS_TOKEN"}
# Whom the end of a job is told to.
OF_THE_DEMO |= {"WEBHOOK_ALLOW_PRIVATE"}
# How many TensorBoards run, how long, and what they read.
OF_THE_DEMO |= {"TENSORBOARD_MAX", "TENSORBOARD_IDLE_S", "TENSORBOARD_MEMORY_MB"}
OF_THE_DEMO |= {"TENSORBOARD_LOG_MB", "TENSORBOARD_FOLDER_MB", "TENSORBOARD_RUNS"}
# When stored files are deleted that nothing needs.
OF_THE_DEMO |= {"CLEAN_UP_AT", "ORPHAN_AGE_S"}
# How this machine confines jobs is the same for every installation on it.
OF_THE_DEMO |= {"SANDBOX", "SANDBOX_UID", "SANDBOX_CGROUP", "SANDBOX_READABLE"}


def run(best: str | None):
    """The most accurate on the test split is "small"; the platform says which one the validation split chose."""
    models = [("trainer", 0.99), ("small", 0.97), ("tiny", 0.95)]
    return {
        "best_student": best,
        "trained_models": [{"id": id_, "version": f"v-{id_}", "accuracy": accuracy} for id_, accuracy in models],
    }


def test_the_student_that_the_platform_names_is_deployed():
    assert best_version(run("tiny")) == "v-tiny"


def test_no_student_fits():
    assert best_version(run(None)) is None


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"max_bytes": 20000, "max_latency_ms": None}, "at most 20,000 bytes"),
        ({"max_bytes": 20000, "max_latency_ms": 1.5}, "at most 20,000 bytes and at most 1.5 ms"),
        ({"max_bytes": None, "max_latency_ms": None}, "without a budget"),
    ],
)
def test_budget_is_said_in_words(budget, words):
    assert budget_in_words(budget) == words


def test_the_demos_spec_has_a_budget():
    budget = Budget.model_validate(yaml.safe_load(SPEC.read_text())["budget"])
    assert budget_in_words(budget.model_dump()) != "without a budget"


def test_every_setting_is_kept_from_the_demo_or_harmless():
    settings = set(re.findall(r'env\.\w+\("(\w+)"', SETTINGS.read_text()))
    assert settings == NOT_OF_THE_DEMO | OF_THE_DEMO


def test_what_was_exported_for_another_installation_does_not_reach_the_demo():
    exported = {"EMAIL_VERIFICATION": "mandatory", "BASE_URL": "https://bantam.example", "PATH": "/bin"}
    assert embedded_default(exported) == {"PATH": "/bin"}


def test_what_goes_wrong_is_said_in_a_sentence():
    assert in_words(subprocess.TimeoutExpired(["device"], 300)).startswith(
        "The device process did not end within 300 s."
    )
    assert in_words(KeyError("best_student")).startswith("An answer of the platform has no 'best_student'.")
