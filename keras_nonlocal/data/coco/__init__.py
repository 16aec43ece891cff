"""Pictures with COCO annotations, from JSON files or TFDS to batches of objects."""
