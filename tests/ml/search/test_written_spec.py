"""The proposed spec as a file, with what it needs beside it."""

from __future__ import annotations

from ml.search.written_spec import copy_named_files, write_spec
from ml.spec_files import read_spec
from ml.specs import TrainingSpec

DECLARED = {
    "experiment_name": "cats",
    "task": {"num_classes": 2},
    "features": [{"name": "image", "shape": [96, 96, 3]}],
    "budget": {"max_latency_ms": 2, "device_profile": "devices/phone.json"},
    "trainer": {
        "id": "big",
        "model_type": "transfer",
        "params": {"base": "mobilenet", "base_params": {"weights": "files/base.h5"}},
        "load_checkpoint": "versions/1.zip",
    },
    "students": [{"id": "small", "model_type": "cnn"}],
}
NAMED = ("devices/phone.json", "files/base.h5", "versions/1.zip")


def test_it_is_the_same_spec_with_every_parameter_of_the_students(tmp_path):
    spec = TrainingSpec.parse(DECLARED)
    write_spec(spec, tmp_path / "out")
    text = (tmp_path / "out" / "spec.yaml").read_text()
    assert read_spec(tmp_path / "out" / "spec.yaml") == spec
    for field in type(spec.students[0].params).model_fields:
        assert f"{field}: " in text


def test_files_that_it_names_are_copied_wherever_they_are_named(tmp_path):
    for name in NAMED:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    copy_named_files(TrainingSpec.parse(DECLARED), tmp_path / "out", spec_folder=tmp_path / "in")
    assert {name: (tmp_path / "out" / name).read_text() for name in NAMED} == {name: name for name in NAMED}


def test_files_that_are_there_already_are_left_alone(tmp_path):
    spec = TrainingSpec.parse(DECLARED)
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "phone.json").write_text("as it was")
    copy_named_files(spec, tmp_path, spec_folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["devices"]
    assert (tmp_path / "devices" / "phone.json").read_text() == "as it was"
