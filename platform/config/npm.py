"""Which files of the front-end packages are served; the packages hold a hundred times as much."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.staticfiles.finders import FileSystemFinder

# Address below STATIC_URL → folder below node_modules, files in it. A file names its source map, so that comes along.
PACKAGES = {
    "vendor/tabler/css": ("@tabler/core/dist/css", {"tabler.min.css", "tabler.min.css.map"}),
    "vendor/tabler/js": ("@tabler/core/dist/js", {"tabler.min.js", "tabler.min.js.map"}),
    "vendor/htmx": ("htmx.org/dist", {"htmx.min.js"}),
    "vendor/chart": ("chart.js/dist", {"chart.umd.min.js", "chart.umd.min.js.map"}),
}


class ChosenFilesFinder(FileSystemFinder):
    """STATICFILES_DIRS, without the files of PACKAGES that are not named there."""

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Any]]:
        for path, storage in super().list(ignore_patterns):
            package = PACKAGES.get(storage.prefix or "")
            if package is None or path in package[1]:
                yield path, storage
