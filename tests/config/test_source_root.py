"""`platform/` is a source root: the standard library's `platform` must stay what `import platform` finds."""

from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_platform_is_the_standard_librarys():
    assert Path(platform.__file__).parent == Path(sysconfig.get_path("stdlib"))
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_it_is_also_from_the_repositorys_root():
    code = "import platform; print(platform.__file__, platform.system())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert sysconfig.get_path("stdlib") in done.stdout
