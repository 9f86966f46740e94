"""Models that a person brings along: what kind of file they are in, how they are loaded, and how they are called."""
