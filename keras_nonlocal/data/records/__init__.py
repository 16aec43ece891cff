"""Videos as TFRecord files of JPEG pictures."""
