"""Imports TensorFlow as the engine needs it: Keras 2 behind `tf.keras`, and no start-up notes in the log."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def start_tensorflow() -> None:
    """Must run before anything else imports TensorFlow. What the import says is shown only if it fails."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _held_back_stderr():
        tensorflow = importlib.import_module("tensorflow")
        # Looking for a GPU says, at length, that there is none.
        tensorflow.config.list_physical_devices()
    tensorflow.get_logger().setLevel("ERROR")


@contextmanager
def _held_back_stderr() -> Iterator[None]:
    """Keeps what native code writes to file descriptor 2, and writes it out only when the block raises."""
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(shown, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
