"""Keras layers, one a file. Importing any of them imports TensorFlow."""
