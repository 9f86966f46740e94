from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ml.specs import MODEL_TYPES, SpecError, TrainingSpec
from tests.ml.conftest import ENGINE


def declared(**changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "experiment_name": "digits",
        "task": {"type": "classification", "label": "label", "num_classes": 10},
        "features": [{"name": "image", "type": "image", "shape": [28, 28, 1]}],
        "trainer": {"id": "trainer", "model_type": "feed_forward", "params": {"units": [1000, 1000, 1000]}},
        "students": [{"id": "small", "model_type": "projection", "params": {"projections": 60, "bits": 12}}],
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


def refused(**changes: object) -> list[dict[str, str]]:
    with pytest.raises(SpecError) as caught:
        TrainingSpec.parse(declared(**changes))
    assert caught.value.code == "invalid_spec"
    for detail in caught.value.details:
        assert detail["message"] in caught.value.message
    return [{"field": detail["field"], "message": detail["message"]} for detail in caught.value.details]


def test_accepts_the_example_of_the_design_and_fills_in_defaults():
    spec = TrainingSpec.from_yaml(
        """
        experiment_name: digits
        task: {type: classification, label: label, num_classes: 10}
        features: [{name: image, type: image, shape: [28, 28, 1]}]
        hyperparameters:
          {optimizer: adam, learning_rate: 0.001, batch_size: 200, steps: 3000, activation: relu, seed: 7,
           loss_weights: {trainer: 1.0, student: 1.0, cross: 1.0}, cross_loss: cross_entropy, temperature: 1.0,
           stop_when_cross_below: null, quantize: null}
        budget: {max_bytes: null, max_latency_ms: null}
        trainer:  {id: trainer, model_type: feed_forward, params: {units: [1000, 1000, 1000]},
                   load_checkpoint: null, freeze_model_from_checkpoint: false, tflite_output_path: null}
        students: [{id: small, model_type: projection, params: {projections: 60, bits: 12},
                    tflite_output_path: small.tflite}]
        """
    )
    assert spec == TrainingSpec.parse(
        declared(
            students=[{"id": "small", "model_type": "projection", "params": {}, "tflite_output_path": "small.tflite"}]
        )
    )
    assert [model.id for model in spec.models()] == ["trainer", "small"]


def test_the_shipped_example_is_valid():
    text = (ENGINE / "ml" / "examples" / "digits.yaml").read_text()
    assert len(TrainingSpec.from_yaml(text).students) == 3


def test_a_spec_survives_json_and_yaml():
    spec = TrainingSpec.parse(declared())
    assert TrainingSpec.from_json(spec.model_dump_json()) == spec
    assert TrainingSpec.from_yaml(yaml.safe_dump(spec.model_dump(mode="json"))) == spec


def test_a_spec_can_not_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        TrainingSpec.parse(declared()).experiment_name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "field", "parts"),
    [
        ({"colour": 3}, "colour", ["is not a field here", "experiment_name"]),
        ({"hyperparameters": {"rate": 1}}, "hyperparameters.rate", ["is not a field here", "learning_rate"]),
        ({"students": ...}, "students", ["at least one student", "Accepted: 1 to 16"]),
        ({"task": ...}, "task", ["is required"]),
        ({"task": {"type": "ranking", "num_classes": 3}}, "task.type", ["'ranking'", "'classification'", "'sequence'"]),
        ({"task": {"type": "classification"}}, "task.num_classes", ["needed for classification", "Received: none"]),
        ({"task": {"type": "multi_label", "num_classes": 3, "num_values": 2}}, "task.num_values", ["no meaning", "2"]),
        ({"task": {"num_classes": 2_000_000}}, "task.num_classes", ["1000000", "Received: 2000000"]),
        ({"task": {"num_classes": 1}}, "task.num_classes", ["greater than or equal to 2", "Received: 1"]),
        ({"features": [{"shape": [8, 8, 2]}]}, "features[0].shape", ["2 channels", "[8, 8, 2]", "1 (grey)"]),
        ({"features": [{"type": "sensor", "shape": [8]}]}, "features[0].shape", ["[8]", "[steps, channels]"]),
        ({"features": [{"type": "audio", "shape": [800]}]}, "features[0].sample_rate", ["needed for audio", "16000"]),
        (
            {"features": [{"type": "audio", "shape": [80], "sample_rate": 8000}]},
            "features[0].spectrogram",
            ["longer than the sound", "32 ms", "10 ms"],
        ),
        ({"features": [{"shape": [8, 8, 1], "sample_rate": 8000}]}, "features[0].sample_rate", ["audio only", "8000"]),
        ({"hyperparameters": {"learning_rate": -0.1}}, "hyperparameters.learning_rate", ["greater than 0", "-0.1"]),
        ({"hyperparameters": {"learning_rate": "fast"}}, "hyperparameters.learning_rate", ["number", "'fast'"]),
        ({"hyperparameters": {"learning_rate": float("nan")}}, "hyperparameters.learning_rate", ["nan"]),
        ({"hyperparameters": {"quantize": "int7"}}, "hyperparameters.quantize", ["'int8'", "'int7'"]),
        (
            {"hyperparameters": {"class_weights": [1, 2]}},
            "hyperparameters.class_weights",
            ["2 weights", "Accepted: 10"],
        ),
        (
            {"hyperparameters": {"class_weights": [1] * 10, "class_weighting": "balanced"}},
            "hyperparameters",
            ["exclude each other", "one of them"],
        ),
        ({"hyperparameters": {"warmup_steps": 50, "steps": 50}}, "hyperparameters", ["50 of 50", "fewer than steps"]),
        (
            {"trainer": None, "hyperparameters": {"unlabelled_batch_size": 8}},
            "hyperparameters.unlabelled_batch_size",
            ["no trainer to teach", "8", "Accepted: 0"],
        ),
        ({"hyperparameters": {"optimizer": "magic"}}, "hyperparameters.optimizer", ["'magic'", "'adam'"]),
        (
            {"hyperparameters": {"cross_loss": "mse_logits", "temperature": 2}},
            "hyperparameters",
            ["no effect", "temperature 2", "temperature 1"],
        ),
        (
            {"trainer": None, "hyperparameters": {"stop_when_cross_below": 0.1}},
            "hyperparameters.stop_when_cross_below",
            ["no trainer", "0.1"],
        ),
        (
            {"trainer": None, "hyperparameters": {"loss_weights": {"student": 0}}},
            "hyperparameters.loss_weights.student",
            ["learn nothing"],
        ),
        ({"version": 2}, "version", ["newer Bantam", "Accepted: 1", "Received: 2"]),
    ],
)
def test_refuses_with_field_received_and_accepted(changes, field, parts):
    details = refused(**changes)
    assert [detail["field"] for detail in details] == [field]
    for part in parts:
        assert part in details[0]["message"]


@pytest.mark.parametrize(
    ("model", "field", "parts"),
    [
        ({"model_type": "transformer"}, "model_type", ["not a known model type", "projection", "'transformer'"]),
        ({"id": "Big Model"}, "id", ["pattern", "'Big Model'"]),
        ({"id": "trainer"}, "id", ["already used", "'trainer'"]),
        ({"freeze_model_from_checkpoint": True}, "freeze_model_from_checkpoint", ["can't be frozen"]),
        ({"tflite_output_path": "../x.tflite"}, "tflite_output_path", ["'..'", "'../x.tflite'"]),
        ({"tflite_output_path": "/x.tflite"}, "tflite_output_path", ["relative path"]),
        ({"tflite_output_path": "x.bin"}, "tflite_output_path", [".tflite"]),
        ({"load_checkpoint": "../../etc/passwd.zip"}, "load_checkpoint", ["relative path"]),
        ({"params": {"projection_size": 3}}, "params.projection_size", ["not a field", "projections, bits, units"]),
        ({"params": {"bits": 0}}, "params.bits", ["greater than or equal to 1", "Received: 0"]),
        ({"model_type": "cnn", "params": {"filters": [8] * 5}}, "params", ["leave nothing", "at most 4 blocks"]),
        ({"model_type": "cnn", "params": {"kernel_size": 4}}, "params.kernel_size", ["1, 3, 5 or 7", "Received: 4"]),
        ({"model_type": "feed_forward", "params": {"bits": 3}}, "params.bits", ["not a field", "units"]),
        ({"share_layers": ["dense_0"]}, "share_layers", ["together with share_with"]),
        ({"share_with": "none", "share_layers": ["dense_0"]}, "share_with", ["no student before", "'none'"]),
        ({"model_type": "saved_model", "params": {"path": "big.keras"}}, "model_type", ["only be the trainer", "lstm"]),
        ({"output_buckets": 1}, "output_buckets", ["greater than or equal to 2"]),
        ({"output_buckets": 3}, "output_buckets", ["too few to tell 10 classes apart", "at least 4", "Received: 3"]),
    ],
)
def test_refuses_a_student_by_field(model, field, parts):
    details = refused(students=[{"id": "small", "model_type": "projection", **model}])
    assert [detail["field"] for detail in details] == [f"students[0].{field}"]
    for part in parts:
        assert part in details[0]["message"]


@pytest.mark.parametrize(
    ("changes", "field", "parts"),
    [
        (
            {"features": [{"name": "label", "shape": [8, 8, 1]}]},
            "features[0].name",
            ["another feature or of the label"],
        ),
        (
            {"features": [{"shape": [8, 8, 1]}, {"name": "title", "type": "text", "shape": [32]}]},
            "students[0].model_type",
            ["takes one feature", "has 2", "multimodal"],
        ),
        (
            {"features": [{"name": "values", "type": "vector", "shape": [8]}], "model_type": "cnn"},
            "students[0].params",
            ["cnn does not take vector", "image"],
        ),
        (
            {"task": {"type": "sequence", "num_classes": 4}, "model_type": "cnn"},
            "students[0].model_type",
            ["no output for each step of image"],
        ),
    ],
)
def test_refuses_models_that_do_not_fit_task_or_features(changes, field, parts):
    model_type = changes.pop("model_type", "projection")
    details = refused(**changes, trainer=None, students=[{"id": "small", "model_type": model_type}])
    assert details[0]["field"] == field
    for part in parts:
        assert part in details[0]["message"]


def test_without_students_a_budget_is_enough():
    assert TrainingSpec.parse(declared(students=..., budget={"max_bytes": 20_000})).students == []


def test_freezing_a_trainer_needs_a_checkpoint():
    trainer = {"id": "big", "model_type": "cnn", "freeze_model_from_checkpoint": True}
    details = refused(trainer=trainer)
    assert details[0]["field"] == "trainer.freeze_model_from_checkpoint"
    assert "load_checkpoint" in details[0]["message"]
    TrainingSpec.parse(declared(trainer={**trainer, "load_checkpoint": "big/checkpoint.zip"}))


def test_a_projection_of_too_many_values_is_refused():
    details = refused(features=[{"shape": [200, 200, 3]}])
    assert "at most 65536 input values" in details[0]["message"]
    assert "120000" in details[0]["message"]


def test_all_problems_are_told_at_once():
    details = refused(
        task={"num_classes": 0},
        hyperparameters={"steps": 0, "rate": 1},
        students=[{"id": "a", "model_type": "projection", "params": {"bits": "many", "depth": 2}}],
    )
    assert {detail["field"] for detail in details} == {
        "task.num_classes",
        "hyperparameters.steps",
        "hyperparameters.rate",
        "students[0].params.bits",
        "students[0].params.depth",
    }


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: [1", "line 1"),
        ("steps: 1\nsteps: 2", "'steps' is given twice (line 2"),
        ("- a\n- b", "must be a mapping of fields. Received: list"),
        ("just words", "Received: str"),
        ("", "is empty. Needed:"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("x" * 1_000_001, "too long"),
        ("a: " + "[" * 5000, "can't be read"),
    ],
)
def test_text_that_is_no_spec_is_refused(text, part):
    with pytest.raises(SpecError, match="training spec") as caught:
        TrainingSpec.from_yaml(text)
    assert part in caught.value.message
    assert caught.value.details[0]["field"] == ""


@pytest.mark.parametrize(
    ("text", "part"), [("{", "line 1"), ('{"a": 1, "a": 2}', "'a' is given twice"), ("[]", "list")]
)
def test_json_that_is_no_spec_is_refused(text, part):
    with pytest.raises(SpecError) as caught:
        TrainingSpec.from_json(text)
    assert part in caught.value.message


def test_a_huge_value_is_not_repeated_in_full():
    details = refused(experiment_name="x" * 100_000)
    assert len(details[0]["message"]) < 300


def fields_below(schema: dict, root: dict) -> list[dict]:
    """Every field of the schema. One that is a model itself has the model's title where it has none of its own."""
    found = []
    for name, field in schema.get("properties", {}).items():
        target = field
        while "$ref" in target or "anyOf" in target:
            target = target.get("anyOf", [target])[0]
            if "$ref" in target:
                target = root["$defs"][target["$ref"].rsplit("/", 1)[1]]
        found.append({"name": name, "title": target.get("title"), **field})
        found += fields_below(target, root)
    return found


def test_the_schema_describes_every_field_for_a_form():
    schema = TrainingSpec.model_json_schema()
    fields = fields_below(schema, schema)
    assert len(fields) > 25
    for field in fields:
        assert field.get("title"), field
        assert field.get("description"), field
    model = schema["$defs"]["ModelSpec"]
    assert model["properties"]["model_type"]["enum"] == list(MODEL_TYPES)
    by_type = {rule["if"]["properties"]["model_type"]["const"]: rule["then"] for rule in model["allOf"]}
    bits = by_type["projection"]["properties"]["params"]["properties"]["bits"]
    assert (bits["default"], bits["minimum"], bits["maximum"]) == (12, 1, 64)
    json.dumps(schema)


@pytest.mark.parametrize("name", MODEL_TYPES)
def test_every_model_type_has_defaults_titles_and_descriptions(name):
    model_type = MODEL_TYPES[name]
    needed = {
        "transfer": {"base": "mobilenet", "base_params": {"weights": "imagenet"}},
        "saved_model": {"path": "big.keras"},
    }
    model_type.params.model_validate(needed.get(name, {}))
    assert model_type.title
    assert model_type.description
    for field in model_type.params.model_json_schema()["properties"].values():
        assert field["title"]
        assert field["description"]


def test_specs_and_architectures_import_nothing_heavy():
    code = (
        "import sys, ml.specs, ml.architectures; "
        "heavy = {'tensorflow', 'tf_keras', 'keras', 'numpy', 'django', 'ai_edge_litert'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ENGINE)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_spec_files_are_read_by_suffix(tmp_path: Path):
    from ml.spec_files import read_spec

    spec = TrainingSpec.parse(declared())
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    assert read_spec(tmp_path / "spec.json") == spec
