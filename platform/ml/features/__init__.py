"""The kinds of input: how they are declared, read, stored and handed to a model. No TensorFlow here.

What forms need is here; NumPy and Pillow are imported by the modules that read data alone.
"""

from ml.features.spec import FeatureSpec, FeatureType, Spectrogram

__all__ = ["FeatureSpec", "FeatureType", "Spectrogram"]
