"""Events, exit statuses and refusals of `python -m ml`, as the platform meets them."""

from __future__ import annotations

import json
import subprocess

import pytest

from ml.commands import main
from tests.ml.conftest import engine_command, engine_environment


def test_import_writes_events_and_a_result(engine, digits_zip):
    finished = engine("import", "--source", digits_zip)
    assert finished.status == 0
    assert finished.result["num_examples"] == 1797
    assert {event["event"] for event in finished.events} == {"progress"}
    for event in finished.events:
        assert set(event) == {"event", "done", "total", "unit", "message", "share"}
    assert not (finished.work / "dataset").exists()


def test_a_refused_archive_ends_with_2_and_one_error(engine, make_zip):
    finished = engine("import", "--source", make_zip({"cat/../../x.png": b"1"}))
    assert finished.status == 2
    assert finished.error["code"] == "unsafe_path"
    assert finished.error["details"][0]["field"] == "cat/../../x.png"
    assert not finished.out.exists()


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("trainer: {id: a, model_type: cnn}", "invalid_spec", "experiment_name"),
        ("a: [", "invalid_spec", ""),
    ],
)
def test_a_bad_spec_ends_with_2_before_tensorflow_is_imported(engine, tmp_path, digits_dataset, text, code, field):
    (tmp_path / "spec.yaml").write_text(text)
    finished = engine("train", "--spec", tmp_path / "spec.yaml", "--dataset", digits_dataset)
    assert finished.status == 2
    assert finished.error["code"] == code
    assert field in [detail["field"] for detail in finished.error["details"]]
    assert finished.stderr == ""


def test_a_missing_spec_ends_with_2(engine, tmp_path, digits_dataset):
    finished = engine("train", "--spec", tmp_path / "none.yaml", "--dataset", digits_dataset)
    assert (finished.status, finished.error["code"]) == (2, "unreadable_spec")


def test_a_spec_for_another_dataset_ends_with_2(engine, tmp_path, tiny_spec_file, digits_dataset):
    spec = tmp_path / "spec.yaml"
    spec.write_text(tiny_spec_file.read_text().replace("num_classes: 10", "num_classes: 3"))
    finished = engine("train", "--spec", spec, "--dataset", digits_dataset)
    assert (finished.status, finished.error["code"]) == (2, "spec_dataset_mismatch")
    assert finished.stderr == ""


def test_a_fault_of_the_engine_ends_with_1_and_a_traceback(engine, tmp_path, make_zip, digits_zip):
    (tmp_path / "out").write_text("a file where the folder should be")
    finished = engine("import", "--source", digits_zip)
    assert finished.status == 1
    assert finished.error["code"] == "internal_error"
    assert "Traceback" in finished.stderr


def test_an_unknown_command_ends_with_2(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["teach"])
    assert caught.value.code == 2
    assert "import" in capsys.readouterr().err


def test_without_events_the_text_is_for_a_person(make_zip, tmp_path):
    done = subprocess.run(
        engine_command("check", "--file", make_zip({}), "--out", tmp_path / "out"),
        env=engine_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("warning: not_a_model: archive.zip")
    assert json.loads((tmp_path / "out" / "result.json").read_text())["ok"] is False


def test_sigterm_during_an_import_ends_with_143_and_leaves_nothing(digit_images, make_zip, tmp_path):
    from tests.ml.conftest import png

    entries = {
        f"{label}/{i}-{j}.png": png(pixels + j % 5) for j in range(6) for i, (label, pixels) in enumerate(digit_images)
    }
    command = engine_command(
        "import",
        "--events",
        "--source",
        make_zip(entries),
        "--out",
        tmp_path / "out",
        "--work",
        tmp_path / "work",
    )
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=engine_environment())
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "work").iterdir()) == []
