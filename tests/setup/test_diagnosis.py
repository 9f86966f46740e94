"""Lines that pip, uv and npm really print, and what they mean to a person."""

from __future__ import annotations

import pytest

from setup.diagnosis import reason_in

UNREACHABLE = "could not be reached"


@pytest.mark.parametrize(
    ("output", "meaning"),
    [
        ("  cause: tcp connect error\n  cause: Connection refused (os error 111)", UNREACHABLE),
        ("  cause: dns error: failed to lookup address information", UNREACHABLE),
        (
            "after connection broken by 'NewConnectionError(...)'\nERROR: No matching distribution found for uv",
            UNREACHABLE,
        ),
        ("npm error code ECONNREFUSED", UNREACHABLE),
        ("npm error code EAI_AGAIN", UNREACHABLE),
        ("HTTP status server error (503 Service Unavailable) for url", UNREACHABLE),
        ("error sending request\n  cause: invalid peer certificate: UnknownIssuer", "certificate is not trusted"),
        ("npm error code SELF_SIGNED_CERT_IN_CHAIN", "certificate is not trusted"),
        ("error: HTTP status client error (403 Forbidden) for url", "refused the request"),
        ("npm error code E401", "refused the request"),
        ("error: failed to write: No space left on device (os error 28)", "disk is full"),
        ("npm error code ENOSPC", "disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "differs|is not the one"),
        ("npm error code EINTEGRITY", "is not the one"),
        ("hint: tensorflow==2.21.0 has no wheels with a matching platform tag", "no build for this machine"),
        ("ERROR: No matching distribution found for tensorflow==2.21.0", "no build for this machine"),
    ],
)
def test_known_failures_get_their_reason(output, meaning):
    reason = reason_in(output)
    assert reason is not None
    assert any(part in reason for part in meaning.split("|"))


def test_an_unknown_failure_gets_no_invented_reason():
    assert reason_in("SyntaxError: invalid syntax") is None
