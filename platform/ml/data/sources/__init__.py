"""Where examples come from: `open_source` finds out what a file or folder is."""

from ml.data.sources.opening import open_source

__all__ = ["open_source"]
