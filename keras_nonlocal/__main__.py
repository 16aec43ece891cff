"""`python -m keras_nonlocal` is the command `keras-nonlocal`."""

import sys

from keras_nonlocal.cli import main

if __name__ == "__main__":
    sys.exit(main())
