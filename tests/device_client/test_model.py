"""predict() and feedback(), and which version answers when something is wrong with one."""

from __future__ import annotations

import errno
import pickle

import numpy as np
import pytest

from device_client import (
    FeedbackError,
    InputError,
    ModelLoadError,
    ModelNotAvailableError,
    Prediction,
    StorageError,
    _download,
    _installation,
    _store,
    _trust,
)
from device_client._interpreter import LoadedModel
from tests.device_client.model_files import LABELS, digits_model, unknown_op_model


@pytest.fixture
def digits(server, make_client):
    server.publish("digits", digits_model())
    digits = make_client().model("digits")
    digits.wait(timeout=5)
    return digits


def state_files(directory):
    return sorted(path.name for path in (directory / "models" / "digits").glob("*.tflite*"))


def test_without_a_copy_predict_says_what_to_do(make_client, image):
    digits = make_client().model("digits")
    assert not digits.ready
    assert digits.version is None
    for ask in (lambda: digits.predict(image=image), lambda: digits.labels, lambda: digits.inputs):
        with pytest.raises(ModelNotAvailableError, match=r"wait\(\) blocks until there is one"):
            ask()


def test_a_model_tells_what_it_accepts_and_answers(digits):
    assert digits.labels == LABELS
    assert digits.inputs == {"image": "uint8 (8, 8, 1)"}
    assert repr(digits).startswith("<Model 'digits' ModelVersion(id=")


def test_bad_input_is_refused_and_makes_no_event(server, make_client, digits):
    client = make_client()
    before = client.pending_events
    with pytest.raises(InputError):
        digits.predict(image=np.zeros((3, 3), np.uint8))
    with pytest.raises(InputError):
        digits.predict(picture=np.zeros((8, 8), np.uint8))
    assert client.pending_events == before


def test_feedback_is_validated(digits, image):
    prediction = digits.predict(image=image)
    with pytest.raises(FeedbackError, match=r"correct='eleven' is no label of 'digits'; accepted are '0', '1', '2'"):
        digits.feedback(prediction, correct="eleven")
    with pytest.raises(FeedbackError, match="correct=7 is no label"):
        digits.feedback(prediction, correct=7)
    with pytest.raises(FeedbackError, match="got a str; the Prediction"):
        digits.feedback("7", correct="7")
    with pytest.raises(ValueError, match="of the model 'letters'"):
        digits.feedback(
            Prediction(**{**vars(prediction), "model": "letters"}),
            correct="7",
        )


def test_a_prediction_can_be_kept_and_given_feedback_after_a_restart(server, make_client, digits, image):
    kept = pickle.dumps(digits.predict(image=image))
    hash(pickle.loads(kept))
    client = make_client()
    server.publish("digits", digits_model(seed=9, labels=tuple("abcdefghij")))
    client.model("digits")
    client.update()
    prediction = pickle.loads(kept)
    client.model("digits").feedback(prediction, correct="7")
    client.flush()
    assert server.events_of("feedback")[0]["version"] == prediction.version
    assert prediction.id in server.events


def test_the_version_before_stays_until_the_new_one_has_answered(server, make_client, directory, image):
    first = server.publish("digits", digits_model(seed=1))
    client = make_client()
    digits = client.model("digits")
    digits.wait(timeout=5)
    digits.predict(image=image)
    second = server.publish("digits", digits_model(seed=2))
    assert client.update() == [digits]
    assert digits.version.id == second
    assert state_files(directory) == sorted([f"{first}.tflite", f"{second}.tflite"])
    digits.predict(image=image)
    assert state_files(directory) == [f"{second}.tflite"]


@pytest.mark.parametrize("bad", [unknown_op_model(), b"TFL3 but nothing else", digits_model(labels=("one",))])
def test_a_version_that_can_not_be_loaded_is_refused_once_and_the_good_one_goes_on(
    server, make_client, directory, image, bad
):
    good = server.publish("digits", digits_model())
    client = make_client()
    digits = client.model("digits")
    digits.wait(timeout=5)
    answer = digits.predict(image=image)
    refused = server.publish("digits", bad)
    with pytest.raises(ModelLoadError):
        client.update()
    assert digits.version.id == good
    assert digits.predict(image=image).scores == answer.scores
    assert state_files(directory) == [f"{good}.tflite"]
    fetched = server.count("file")
    assert client.update() == []
    assert server.count("file") == fetched, "a version that was refused must not be fetched again"
    client.flush()
    (failed,) = server.events_of("failed")
    assert (failed["version"], failed["data"]["stage"], failed["data"]["code"]) == (
        refused,
        "load",
        "model_load_failed",
    )

    client.close()
    again = make_client().model("digits")
    assert again.version.id == good


def test_a_first_version_that_can_not_be_loaded_is_said_to_who_waits(server, make_client):
    server.publish("digits", unknown_op_model())
    digits = make_client().model("digits")
    with pytest.raises(ModelLoadError, match="Didn't find op"):
        digits.wait(timeout=5)
    with pytest.raises(ModelLoadError, match=r"is not tried again on this device: .*Didn't find op"):
        digits.wait(timeout=5)


def test_a_newer_litert_gets_another_chance_with_a_refused_version(server, make_client, monkeypatch):
    from device_client import _managed

    server.publish("digits", digits_model())
    monkeypatch.setattr(_managed, "litert_version", lambda: "2.0.0")
    monkeypatch.setattr(_managed, "LoadedModel", _raise(ModelLoadError("Didn't find op")))
    digits = make_client().model("digits")
    with pytest.raises(ModelLoadError):
        digits.wait(timeout=5)
    monkeypatch.undo()
    assert digits.wait(timeout=5)


def test_a_new_version_whose_first_real_run_fails_gives_way_to_the_one_before(server, make_client, image, monkeypatch):
    good = server.publish("digits", digits_model(seed=1))
    client = make_client()
    digits = client.model("digits")
    digits.wait(timeout=5)
    digits.predict(image=image)
    bad = server.publish("digits", digits_model(seed=2))
    client.update()
    with monkeypatch.context() as patch:
        patch.setattr(LoadedModel, "run", _raise(ModelLoadError("LiteRT can't run the model")))
        with pytest.raises(ModelLoadError):
            digits.predict(image=image)
    assert digits.version.id == good
    assert digits.predict(image=image).version == good
    client.update()
    assert digits.version.id == good
    client.flush()
    (failed,) = server.events_of("failed")
    assert (failed["version"], failed["data"]["stage"]) == (bad, "predict")


def test_a_version_that_has_worked_is_not_given_up_for_one_failure(server, make_client, image, monkeypatch, digits):
    digits.predict(image=image)
    with monkeypatch.context() as patch:
        patch.setattr(LoadedModel, "run", _raise(ModelLoadError("out of memory")))
        with pytest.raises(ModelLoadError):
            digits.predict(image=image)
    assert digits.predict(image=image)


def test_a_file_damaged_on_disk_is_found_and_fetched_again(server, make_client, directory, image):
    version = server.publish("digits", digits_model())
    first = make_client()
    first.model("digits").wait(timeout=5)
    answer = first.model("digits").predict(image=image)
    first.close()
    path = directory / "models" / "digits" / f"{version}.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    client = make_client()
    digits = client.model("digits")
    assert not digits.ready
    assert digits.wait(timeout=5).id == version
    assert digits.predict(image=image).scores == answer.scores
    client.flush()
    assert [e["data"]["code"] for e in server.events_of("failed")] == ["file_mismatch"]


def test_when_the_newest_file_is_damaged_the_one_before_answers_offline(server, make_client, directory, image):
    good = server.publish("digits", digits_model(seed=1))
    first = make_client()
    first.model("digits").wait(timeout=5)
    first.model("digits").predict(image=image)
    newest = server.publish("digits", digits_model(seed=2))
    first.update()
    first.close()
    (directory / "models" / "digits" / f"{newest}.tflite").write_bytes(b"")
    server.offline = True
    client = make_client()
    assert client.model("digits").version.id == good
    server.offline = False
    client.update()
    assert client.model("digits").version.id == newest


@pytest.fixture
def full_disk(monkeypatch):
    """`full_disk()` makes every write of a file fail from now on."""

    def refuse(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill() -> None:
        for module in (_store, _trust, _download, _installation):
            monkeypatch.setattr(module, "write_atomically", refuse)

    return fill


@pytest.mark.parametrize("proven", [False, True])
def test_a_full_disk_keeps_no_model_from_loading_and_answering(server, make_client, image, full_disk, proven, caplog):
    version = server.publish("digits", digits_model())
    first = make_client()
    first.model("digits").wait(timeout=5)
    if proven:
        first.model("digits").predict(image=image)
    first.close()
    full_disk()
    digits = make_client().model("digits")
    assert digits.version.id == version
    assert digits.predict(image=image)
    assert ("No space left" in caplog.text) is not proven


def test_a_full_disk_is_said_by_an_update_and_the_version_in_use_stays(server, make_client, image, full_disk):
    version = server.publish("digits", digits_model(seed=1))
    client = make_client()
    digits = client.model("digits")
    digits.wait(timeout=5)
    server.publish("digits", digits_model(seed=2))
    full_disk()
    with pytest.raises(StorageError, match="No space left on device"):
        client.update()
    assert digits.version.id == version
    assert digits.predict(image=image)


def test_a_bundled_file_is_used_until_a_version_came(server, make_client, tmp_path, image):
    path = tmp_path / "bundled.tflite"
    path.write_bytes(digits_model(seed=5))
    server.offline = True
    client = make_client(bundled={"digits": path})
    digits = client.model("digits")
    assert digits.ready
    assert digits.version.id is None
    assert digits.version.length == path.stat().st_size
    prediction = digits.predict(image=image)
    assert prediction.version is None
    digits.feedback(prediction, correct="3")
    server.offline = False
    version = server.publish("digits", digits_model(seed=6))
    client.update()
    assert digits.version.id == version
    client.flush()
    assert [(e["version"], e["data"]["source"]) for e in server.events_of("loaded")] == [
        (None, "bundled"),
        (version, "download"),
    ]
    client.close()
    path.unlink()
    assert make_client(bundled={"digits": path}).model("digits").version.id == version


def test_a_bundled_file_that_is_missing_or_broken_is_logged_and_does_not_stop_the_start(make_client, tmp_path, caplog):
    (tmp_path / "broken.tflite").write_bytes(b"nothing")
    client = make_client(bundled={"digits": tmp_path / "absent.tflite", "letters": tmp_path / "broken.tflite"})
    assert not client.model("digits").ready
    assert not client.model("letters").ready
    assert caplog.text.count("can't be used") == 2


def _raise(error: Exception):
    def fail(*args, **kwargs):
        raise error

    return fail
