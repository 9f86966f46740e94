"""The one way in which a command of `setup` ends badly."""


class SetupError(Exception):
    """A sentence for the person at the keyboard: what is wrong, what was found, what to do. Shown without traceback."""
