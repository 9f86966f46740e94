"""What a .tflite file does, measured by running it in LiteRT as a device would. No TensorFlow here."""
