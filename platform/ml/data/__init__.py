"""Examples in and out: archives, TFRecord files, and the pipeline that feeds training."""
