from __future__ import annotations

import json

import numpy as np
import pytest

pytestmark = pytest.mark.engine

BUCKETS = np.array([[0.0, 1.0, 3.0], [1.0, 2.0, 4.0]])


def started(folder, *, resume_step=0):
    from ml.training.history import History

    return History(folder / "work" / "history.jsonl", folder / "out", resume_step=resume_step)


def record(history, steps):
    for step in steps:
        history.add(step, {"loss": 1.0 / step, "trainer/accuracy": 0.5})
        history.add_histograms(step, {"trainer/weights/kernel": BUCKETS * step})


def shown(tensorflow, folder):
    """What TensorBoard reads: steps and values of each tag, and how many graphs."""
    from tensorflow.core.util import event_pb2

    (path,) = (folder / "out").glob("events.out.tfevents.*")
    first, *events = [event_pb2.Event.FromString(one.numpy()) for one in tensorflow.data.TFRecordDataset(str(path))]
    assert first.file_version == "brain.Event:2"
    values: dict[str, list] = {}
    for event in events:
        for value in event.summary.value:
            content = tensorflow.make_ndarray(value.tensor).tolist() if value.HasField("tensor") else value.simple_value
            values.setdefault(value.tag, []).append((event.step, content))
    return values, sum(event.HasField("graph_def") for event in events)


def test_tensorboard_shows_what_was_recorded_before_the_run_ends(tensorflow, tmp_path):
    history = started(tmp_path)
    record(history, [1, 2])
    values, graphs = shown(tensorflow, tmp_path)
    assert values["loss"] == [(1, 1.0), (2, 0.5)]
    assert values["trainer/weights/kernel"] == [(1, BUCKETS.tolist()), (2, (BUCKETS * 2).tolist())]
    assert graphs == 0
    history.close()


def test_a_resumed_run_keeps_what_was_before_its_step_and_measures_the_rest_again(tensorflow, tmp_path):
    history = started(tmp_path)
    record(history, [10, 20, 30])
    history.close()
    resumed = started(tmp_path, resume_step=20)
    record(resumed, [25])
    resumed.close()
    again = started(tmp_path, resume_step=25)
    values, _ = shown(tensorflow, tmp_path)
    assert [step for step, _ in values["loss"]] == [10, 20, 25]
    assert values["trainer/weights/kernel"] == [(step, (BUCKETS * step).tolist()) for step in (10, 20, 25)]
    assert [json.loads(line)["step"] for line in again.path.read_text().splitlines()] == [10, 20, 25]
    again.close()


def test_what_a_kill_cut_off_is_left_out(tensorflow, tmp_path):
    history = started(tmp_path)
    record(history, [10, 20])
    history.close()
    for path in (tmp_path / "work").iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    started(tmp_path, resume_step=20).close()
    values, _ = shown(tensorflow, tmp_path)
    assert [step for step, _ in values["loss"]] == [10]
    assert [step for step, _ in values["trainer/weights/kernel"]] == [10]


def test_the_graph_is_shown(tensorflow, tmp_path):
    tf = tensorflow
    history = started(tmp_path)
    history.add_graph(tf.function(lambda x: x + 1).get_concrete_function(tf.TensorSpec([])).graph.as_graph_def())
    history.close()
    assert shown(tensorflow, tmp_path) == ({}, 1)
