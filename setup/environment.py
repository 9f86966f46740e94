"""The environment that package managers get: the caller's own, with gaps between their dialects filled."""

from collections.abc import Mapping
from pathlib import Path


def package_environment(base: Mapping[str, str], bin_folder: Path) -> dict[str, str]:
    """Return `base` made ready for pip, uv and npm, with `bin_folder` first on PATH.

    The caller's UV_*, PIP_* and npm_* variables stay as they are. A certificate bundle or a package index that was
    named to one of the tools is named to the others too.
    """
    environment = dict(base)
    for variable in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX"):
        environment.pop(variable, None)
    environment["PATH"] = f"{bin_folder}:{environment.get('PATH', '')}"
    certificates = environment.get("SSL_CERT_FILE") or environment.get("REQUESTS_CA_BUNDLE")
    if certificates:
        for variable in ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"):
            environment.setdefault(variable, certificates)
    uv_index = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL")
    pip_index = environment.get("PIP_INDEX_URL")
    if uv_index:
        environment.setdefault("PIP_INDEX_URL", uv_index)
    elif pip_index:
        environment["UV_DEFAULT_INDEX"] = pip_index
    environment.setdefault("PIP_RETRIES", "2")
    environment.update(
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
        UV_NO_PROGRESS="1",
        UV_PYTHON_DOWNLOADS="never",
        NO_COLOR="1",
        NO_UPDATE_NOTIFIER="1",
    )
    return environment
