"""Hostile code and hostile files, with the code that each has to end with. Files are made here, none is kept."""

from __future__ import annotations

import base64
import io
import json
import marshal
import pickle
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

VIOLATION = frozenset({"sandbox_violation"})
MEMORY, DISK = frozenset({"out_of_memory"}), frozenset({"disk_limit"})
TASKS, PROCESSOR, TIME = frozenset({"process_limit"}), frozenset({"cpu_limit"}), frozenset({"time_limit"})


@dataclass(frozen=True)
class Attack:
    """What code that has taken over the engine's process does: a function of hostile/engine/ml/__main__.py."""

    name: str
    codes: frozenset[str]
    limits: dict[str, int] = field(default_factory=dict)
    time_limit_s: int = 60
    needs_tensorflow: bool = False
    make: Callable[[], bytes] = bytes


@dataclass(frozen=True)
class HostileFile:
    """A file for the real engine. `arguments` are those of `python -m ml`, with {file}, {out}, {work} and {in}."""

    name: str
    codes: frozenset[str]
    make: Callable[[], bytes]
    arguments: tuple[str, ...]
    needs_tensorflow: bool = False
    is_report: bool = False  # the job succeeds with a report that refuses the file


ATTACKS = (
    Attack("read_accounts", VIOLATION),
    Attack("read_environment_of_the_worker", VIOLATION),
    Attack("read_a_secret", VIOLATION),
    Attack("write_outside", VIOLATION),
    Attack("make_a_file_outside", VIOLATION),
    Attack("change_rights_outside", VIOLATION),
    Attack("truncate_outside", VIOLATION),
    Attack("write_its_input", VIOLATION),
    Attack("make_a_link_out", VIOLATION),
    Attack("make_a_pipe", VIOLATION),
    Attack("open_a_socket", VIOLATION),
    Attack("open_a_unix_socket", VIOLATION),
    Attack("listen", VIOLATION),
    Attack("mount", VIOLATION),
    Attack("trace_the_worker", VIOLATION),
    Attack("make_a_namespace", VIOLATION),
    Attack("leave_the_group", VIOLATION),
    Attack("kill_the_worker", VIOLATION),
    Attack("limit_the_worker", VIOLATION),
    Attack("hide_memory", VIOLATION),
    Attack("take_more", VIOLATION),
    Attack("unpickle", VIOLATION, make=lambda: pickled()),
    Attack("fork_bomb", TASKS, {"processes": 30}),
    Attack("start_processes", TASKS, {"processes": 10}),
    Attack("start_threads", TASKS, {"processes": 60}),
    Attack("fill_memory", MEMORY, {"memory_mb": 200}),
    Attack("fill_memory_in_many", MEMORY, {"memory_mb": 300}),
    Attack("ask_for_all_memory", MEMORY),
    Attack("fill_disk", DISK, {"disk_mb": 20}),
    Attack("fill_one_file", DISK, {"disk_mb": 200, "file_mb": 5}),
    Attack("fill_disk_without_a_name", DISK, {"disk_mb": 20}),
    Attack("make_many_files", DISK, {"files": 500}),
    Attack("make_folders_without_end", DISK),
    Attack("close_folders", VIOLATION | DISK),
    Attack("burn_processor_time", PROCESSOR, {"cpu_s": 1}),
    Attack("sleep_on", TIME, time_limit_s=1),
    Attack("keras_lambda", VIOLATION, needs_tensorflow=True, make=lambda: lambda_model(_attack_in_a_lambda)),
)


def _attack_in_a_lambda(x: object) -> object:
    import os
    import socket

    tries = (
        lambda: open("/etc/passwd").read(),  # noqa: PTH123, SIM115  (this code travels alone)
        lambda: open("/etc/hostname", "w"),  # noqa: PTH123, SIM115
        lambda: os.mkdir("/var/left"),  # noqa: PTH102
        lambda: socket.create_connection(("127.0.0.1", 80)),
    )
    for attempt in tries:
        try:
            attempt()
        except OSError as error:
            refused = error
        else:
            return x
    raise refused


def lambda_model(function: Callable[..., object]) -> bytes:
    """A Keras 2 model in a .keras file, whose Lambda layer carries the code of `function`."""
    code = base64.b64encode(marshal.dumps(function.__code__)).decode()
    layer: dict[str, Any] = {
        "module": "keras.layers", "class_name": "Lambda", "registered_name": None,
        "config": {
            "name": "lambda", "trainable": True, "dtype": "float32", "module": "builtins", "arguments": {},
            "function": [code, None, None], "function_type": "lambda",
            "output_shape": None, "output_shape_type": "raw", "output_shape_module": None,
        },
    }  # fmt: skip
    inputs = {
        "module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
        "config": {"batch_input_shape": [None, 2], "dtype": "float32", "sparse": False, "ragged": False,
                   "name": "input"},
    }  # fmt: skip
    config: dict[str, Any] = {
        "module": "keras", "class_name": "Sequential", "registered_name": None,
        "config": {"name": "sequential", "layers": [inputs, layer]}, "build_input_shape": [None, 2],
    }  # fmt: skip
    return _keras_file(config, _hdf5())


def shape_bomb() -> bytes:
    """A sound Keras 2 model whose weights claim to be terabytes."""
    import h5py  # type: ignore[import-untyped]

    file = io.BytesIO()
    dense = {"class_name": "Dense", "config": {"name": "dense", "units": 2**20, "dtype": "float32"}}
    inputs = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 2**20], "name": "input"}}
    config = {"class_name": "Sequential", "config": {"name": "bomb", "layers": [inputs, dense]}}
    with h5py.File(file, "w") as archive:
        archive.attrs["keras_version"], archive.attrs["backend"] = "2.15.0", "tensorflow"
        archive.attrs["model_config"] = json.dumps(config)
        weights = archive.create_group("model_weights")
        weights.attrs["layer_names"] = [b"dense"]
        group = weights.create_group("dense")
        group.attrs["weight_names"] = [b"dense/kernel:0"]
        group.create_dataset("dense/kernel:0", shape=(2**20, 2**20), dtype="f4", chunks=(1024, 1024))
    return file.getvalue()


def _hdf5() -> bytes:
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        archive.create_group("layers")
    return file.getvalue()


def _keras_file(config: dict[str, Any], weights: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0", "date_saved": ""}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    return file.getvalue()


def _zip(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def zip_bomb() -> bytes:
    return _zip({"cat/1.png": bytes(50_000_000), "dog/1.png": bytes(50_000_000)})


def lying_zip() -> bytes:
    """Its directory says 100 bytes; it unpacks to 50 MB."""
    content = bytearray(_zip({"cat/1.png": bytes(50_000_000), "dog/1.png": b"x"}))
    size = struct.pack("<I", 50_000_000)
    return bytes(content.replace(size, struct.pack("<I", 100)))


def zip_that_leads_outside() -> bytes:
    return _zip({"cat/1.png": b"x", "../../dog/1.png": b"x"})


def zip_with_a_link() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo("cat/1.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return file.getvalue()


def picture_bomb() -> bytes:
    """A sound PNG of 100,000 × 100,000 pixels in 10 kB."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000_000), 9)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return _zip({"cat/1.png": png, "dog/1.png": png})


LEFT_BY_A_PICKLE = "/var/left-by-a-pickle"


class _Command:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.mkdir, (LEFT_BY_A_PICKLE,)


def pickled() -> bytes:
    return pickle.dumps(_Command())


def tflite(shape: tuple[int, ...] = (1, 4)) -> bytes:
    """The smallest model that passes the check; with another `shape` of what goes in and out, it is not sound."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    from ml.evaluation.memory import smallest_model

    model = schema.ModelT.InitFromPackedBuf(smallest_model(), 0)
    for tensor, name in zip(model.subgraphs[0].tensors, ("values", "weights", "scores"), strict=True):
        tensor.name = name
        tensor.shape = [4, 4] if name == "weights" else list(shape)
    builder = flatbuffers.Builder(512)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def truncated_tflite() -> bytes:
    return tflite()[: len(tflite()) // 2]


def flipped_tflite(seed: int) -> bytes:
    """With 4 bits flipped, in places that `seed` chooses."""
    content = bytearray(tflite())
    chosen = random.Random(seed)
    for _ in range(4):
        content[chosen.randrange(8, len(content))] ^= 1 << chosen.randrange(8)
    return bytes(content)


def tflite_shape_bomb() -> bytes:
    """With tensors of 2**60 bytes."""
    return tflite((2**28, 2**28, 4))


IMPORT = ("import", "--source", "{file}", "--out", "{out}", "--work", "{work}")
CHECK = ("check", "--file", "{file}", "--out", "{out}")
REPORTED = frozenset(
    {"not_a_model", "no_signature", "load_failed", "unknown_operator_version", "custom_operator", "flex_operator"}
)


TRAIN = ("train", "--spec", "{in}/spec.json", "--dataset", "{in}/dataset", "--out", "{out}", "--work", "{work}")


FILES = (
    HostileFile("zip_bomb.zip", frozenset({"compression_bomb"}), zip_bomb, IMPORT),
    HostileFile("lying.zip", frozenset({"broken_image"}), lying_zip, IMPORT),
    HostileFile("leads_outside.zip", frozenset({"unsafe_path"}), zip_that_leads_outside, IMPORT),
    HostileFile("link.zip", frozenset({"unsafe_file_type"}), zip_with_a_link, IMPORT),
    HostileFile("picture_bomb.zip", frozenset({"broken_image"}), picture_bomb, IMPORT),
    HostileFile("pickle.zip", frozenset({"not_a_zip"}), pickled, IMPORT),
    HostileFile("pickle.csv", frozenset({"broken_table"}), pickled, IMPORT),
    HostileFile("pickle.tflite", REPORTED, pickled, CHECK, is_report=True),
    HostileFile("truncated.tflite", REPORTED, truncated_tflite, CHECK, is_report=True),
    HostileFile("shapes.tflite", REPORTED, tflite_shape_bomb, CHECK, is_report=True),
    HostileFile("lambda.keras", frozenset({"unsafe_model"}), lambda: lambda_model(_attack_in_a_lambda), TRAIN, True),
    HostileFile("shapes.h5", frozenset({"unreadable_model", "out_of_memory"}), shape_bomb, TRAIN, True),
    *(
        HostileFile(f"flipped_{seed}.tflite", REPORTED, partial(flipped_tflite, seed), CHECK, is_report=True)
        for seed in (0, 1, 4, 8)
    ),
)
