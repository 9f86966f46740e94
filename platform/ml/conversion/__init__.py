"""From Keras models to .tflite files that the plain LiteRT interpreter runs."""
