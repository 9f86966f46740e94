"""From a package manager's output to the reason a person can act on."""

import re

# The first pattern that is found decides, so what is specific stands before what is general.
REASONS = (
    (
        r"No space left on device|ENOSPC|os error 28\b",
        "the disk is full. Free some space and run the command again",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|invalid peer certificate|UnknownIssuer"
        r"|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT|unable to get local issuer",
        "the registry's certificate is not trusted here. If your network has its own authority, name its bundle: "
        "SSL_CERT_FILE=/path/to/ca.pem",
    ),
    (
        r"Hash mismatch|DO NOT MATCH THE HASHES|EINTEGRITY",
        "a downloaded package is not the one that the lock file names, so it was refused. Check the mirror in use",
    ),
    (
        r"\b(?:401 Unauthorized|403 Forbidden|407 Proxy|E401|E403|E407)\b|Tunnel connection failed",
        "the package registry or a proxy refused the request. Check its address and credentials",
    ),
    (
        r"error sending request|tcp connect error|dns error|failed to lookup address|operation timed out"
        r"|Failed to establish a new connection|after connection broken by|Max retries exceeded|Read timed out"
        r"|Temporary failure in name resolution|\(from versions: none\)"
        r"|\b(?:ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b"
        r"|\b50[234] (?:Bad Gateway|Service Unavailable|Gateway Time-?out)\b",
        "the package registry could not be reached. Check the network, or name a mirror: UV_DEFAULT_INDEX for Python "
        "packages, npm_config_registry for front-end packages",
    ),
    (
        r"no wheels? with a matching|no wheels are available|[Nn]o matching distribution",
        "a package has no build for this machine and Python. Bantam runs on Linux (x86-64, arm64) and macOS (arm64)",
    ),
)


def reason_in(output: str) -> str | None:
    """Return what went wrong as the end of a sentence, or None when `output` has no failure that is known."""
    for pattern, reason in REASONS:
        if re.search(pattern, output):
            return reason
    return None
