"""Backend-specific operations that are faster than Keras's portable ones.

Each module belongs to one backend and is imported only if Keras runs on it.
"""
