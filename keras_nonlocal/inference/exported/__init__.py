"""Exported files as models: one class for all formats, one module for the runtimes."""
