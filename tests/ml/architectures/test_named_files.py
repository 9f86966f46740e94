"""Files that parameters name lie beside the spec."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml.architectures.named_files import existing_file, relative_file
from ml.refusal import RefusedError
from tests.ml.architectures.tiny import FEATURES, context_of


@pytest.mark.parametrize("value", ["w.h5", "folder/w.weights.h5", "a b/ü.keras"])
def test_a_path_below_the_spec_is_accepted(value):
    assert relative_file(value, suffixes=(".h5", ".keras")) == value


@pytest.mark.parametrize("value", ["/w.h5", "../w.h5", "a/../../w.h5", "a\\w.h5", "w\0.h5", "w.zip", "w", ""])
def test_any_other_path_is_refused(value):
    with pytest.raises(ValueError, match=r"Received: .*Accepted: a relative path without '\.\.' that ends in \.h5"):
        relative_file(value, suffixes=(".h5",))


def test_a_file_that_is_not_there_is_refused_with_its_field(tmp_path):
    context = replace(context_of(FEATURES["vector"]), files=tmp_path)
    (tmp_path / "w.h5").touch()
    assert existing_file(context, "w.h5", field="model.params.weights") == tmp_path / "w.h5"
    with pytest.raises(RefusedError, match=r"model\.params\.weights: .*Received: v\.h5") as error:
        existing_file(context, "v.h5", field="model.params.weights")
    assert error.value.code == "file_not_found"
    assert error.value.details[0]["field"] == "model.params.weights"
