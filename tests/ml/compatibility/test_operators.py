from __future__ import annotations

import pytest
from ai_edge_litert import schema_py_generated as schema

from ml.compatibility.operators import newest, runtime_table, version_key


def test_known_facts_of_the_table():
    table = runtime_table()
    assert table["CONV_2D", 1] == "1.5.0"
    assert table["CONV_2D", 5] == "2.4.0"
    assert table["FULLY_CONNECTED", 12] == "2.17.0"
    assert len(table) > 400


def test_every_operator_of_the_table_is_in_the_schema():
    assert {name for name, _ in runtime_table()} <= set(vars(schema.BuiltinOperator))


def test_versions_are_ordered_as_numbers():
    assert newest(["2.9.0", "2.10.0", "1.15.0"]) == "2.10.0"
    assert newest([]) is None
    with pytest.raises(ValueError):
        version_key("two")
