"""Pictures with COCO annotations."""
