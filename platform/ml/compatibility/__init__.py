"""Which runtimes can run a .tflite file? No TensorFlow here."""
