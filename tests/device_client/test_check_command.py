"""python -m device_client check"""

from __future__ import annotations

import numpy as np
import pytest

import device_client.__main__ as command
from device_client import initialize
from tests.device_client.model_files import digits_model, unknown_op_model


@pytest.fixture
def check(server, directory, monkeypatch, capsys):
    """Run the command against the simulated server. Gives (exit status, what it said)."""
    monkeypatch.setattr(command, "initialize", lambda **given: initialize(transport=server.transport, **given))

    def run(*arguments: str) -> tuple[int, str]:
        given = ["check", "--server", server.url, "--api-key", server.key, "--directory", str(directory)]
        status = command.main([*given, *arguments])
        return status, capsys.readouterr().out

    return run


def test_it_says_what_the_device_gets(server, check):
    version = server.publish("digits", digits_model())
    status, said = check()
    assert status == 0
    for part in (
        f"version {server.revision}, signature verified, expires ",
        f"digits: version 1 ({version}), {len(digits_model())} bytes, rule default, needs runtime 2.17.0",
        "accepts image: uint8 (8, 8, 1)",
        "labels 0, 1, 2",
        "median latency",
        "everything worked",
    ):
        assert part in said
    assert server.events_of("loaded")
    assert server.events_of("inferred") == [], "timing must not count as use"


def test_an_image_is_predicted(server, check, tmp_path):
    server.publish("digits", digits_model())
    np.save(tmp_path / "seven.npy", np.zeros((8, 8), np.uint8))
    status, said = check("--model", "digits", "--image", str(tmp_path / "seven.npy"), "--user", "plan=paid")
    assert status == 0
    assert "seven.npy is '" in said
    assert server.requests[0].url.params["user.plan"] == "paid"
    assert len(server.events_of("inferred")) == 1


def test_each_failure_is_said_and_the_status_is_1(server, check):
    server.publish("digits", unknown_op_model())
    status, said = check("--model", "digits", "--model", "absent")
    assert status == 1
    assert "FAILED, model_load_failed: LiteRT can't load the model: Didn't find op" in said
    assert "FAILED, model_not_available: there is no copy of the model 'absent'" in said
    assert "something failed" in said


def test_a_server_that_is_away_is_said(server, check):
    server.offline = True
    status, said = check()
    assert status == 1
    assert "FAILED, server_unreachable: no usable answer from https://bantam.test" in said


def test_wrong_arguments_are_said_and_the_status_is_2(server, check, tmp_path):
    assert check("--api-key", "sk_x")[0] == 2
    server.publish("digits", digits_model())
    (tmp_path / "seven.npy").write_bytes(b"PNG")
    status, said = check("--image", str(tmp_path / "seven.npy"))
    assert "is no .npy file with one example" in said
    assert status == 1
    with pytest.raises(SystemExit):
        check("--user", "plan")
