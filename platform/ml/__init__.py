"""Bantam's learning engine: declared specs in, compact .tflite models and measured figures out.

Nothing here imports Django. Importing `ml`, `ml.specs` or `ml.architectures` does not import TensorFlow; the commands
of `python -m ml` import it when, and only when, they need it.
"""
