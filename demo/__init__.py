"""The main job from end to end, as a user would do it: over HTTP, with a server key, and on a device of its own."""
