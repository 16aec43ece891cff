"""Runs the command `keras-nonlocal` for `python -m keras_nonlocal`."""

import sys

from keras_nonlocal.cli import main

if __name__ == "__main__":
    sys.exit(main())
