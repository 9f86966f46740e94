"""Files that somebody might upload as a model: good ones, foreign ones, garbage."""

from __future__ import annotations

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from tests.device_client.model_files import digits_model

GOOD = digits_model()
GARBAGE = b"\x89PNG\r\n\x1a\n" + b"not a model at all " * 20


def with_foreign_operator(name: str) -> bytes:
    """The good model with its first operator replaced by one that the plain runtime does not have."""
    model = schema.ModelT.InitFromPackedBuf(GOOD)
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = name.encode()
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
