"""What this device is, and whether now is a good time to download. The application may replace it."""

from __future__ import annotations

import ctypes
import locale
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DeviceAttributes:
    """What rules on the server can ask about a device. None means unknown and is not sent.

    Attributes:
        platform: "linux", "macos", "windows", "android" or "ios".
        ram_mb: physical memory in MiB.
        language: ISO 639, for example "de".
        country: ISO 3166, for example "CH".
    """

    platform: str | None = None
    os_version: str | None = None
    device_model: str | None = None
    ram_mb: int | None = None
    cpu_cores: int | None = None
    language: str | None = None
    country: str | None = None


class DeviceProbe:
    """Looks at the device with what the standard library offers. Subclass it to tell more, or something else.

    Both methods may be called from a background thread.
    """

    def attributes(self) -> DeviceAttributes:
        """What this device is. Asked once for each request of a manifest."""
        language, country = _language_and_country()
        return DeviceAttributes(
            platform=_platform(),
            os_version=platform.release() or None,
            device_model=_device_model(),
            ram_mb=_ram_mb(),
            cpu_cores=os.cpu_count(),
            language=language,
            country=country,
        )

    def may_download(self, num_bytes: int) -> bool:
        """Whether a background update may fetch a file of `num_bytes` now; an application on a phone answers from
        its network and battery state. `update()` and `wait()`, which somebody asked for, do not ask."""
        return True


def _platform() -> str:
    if hasattr(sys, "getandroidapilevel"):
        return "android"
    known = {"linux": "linux", "darwin": "macos", "win32": "windows", "ios": "ios", "android": "android"}
    return known.get(sys.platform, sys.platform)


def _device_model() -> str | None:
    for path in ("/sys/firmware/devicetree/base/model", "/sys/devices/virtual/dmi/id/product_name"):
        try:
            name = Path(path).read_text(errors="replace").strip("\0 \n")
        except OSError:
            continue
        if name:
            return name[:100]
    return platform.machine() or None


def _ram_mb() -> int | None:
    if sys.platform == "win32":
        return _windows_ram_mb()
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (ValueError, OSError, AttributeError):
        return None


def _windows_ram_mb() -> int | None:
    kilobytes = ctypes.c_ulonglong()
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    if not kernel.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes)):
        return None
    return int(kilobytes.value) // 1024


def _language_and_country() -> tuple[str | None, str | None]:
    try:
        name = locale.getlocale()[0] or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    except ValueError:
        return None, None
    language, _, country = name.split(".")[0].partition("_")
    if not (language.isascii() and language.isalpha() and len(language) in (2, 3)):
        return None, None
    return language.lower(), country.upper() if len(country) == 2 and country.isalpha() else None
