"""The limit on the memory and time for reading a file."""

from keras_nonlocal.weights.errors import MalformedError

# Trained weights hardly compress. A file that unpacks to much more was crafted to.
MAX_EXPANSION = 20
FREE_BYTES = 64 * 2**20

# The cost of a small Python object, or of the time of a small step, in bytes.
OBJECT_BYTES = 256


class Budget:
    """The number of bytes that reading one file may still allocate or copy.

    Freed memory is not credited, so the budget also limits the time.

    Args:
        file_bytes: Size of the file.
        max_array_bytes: Maximum total size of the arrays in bytes, regardless of the
            size of the file.
    """

    def __init__(self, file_bytes: int, max_array_bytes: int) -> None:
        self._limit = FREE_BYTES + MAX_EXPANSION * file_bytes
        self._left = self._limit
        self._max_array_bytes = max_array_bytes
        self._array_bytes_left = max_array_bytes

    @property
    def array_bytes_left(self) -> int:
        """Number of bytes that are left for further arrays."""
        return self._array_bytes_left

    def charge(self, num_bytes: int) -> None:
        """Charges for bytes before they are allocated, copied or looped over.

        Raises:
            MalformedError: If the budget is exhausted.
        """
        self._left -= num_bytes
        if self._left < 0:
            raise MalformedError(
                f"The content takes more than {self._limit} bytes, which no "
                "checkpoint in a file of this size does."
            )

    def charge_array(self, num_bytes: int) -> None:
        """Charges for an array before it is read.

        Raises:
            MalformedError: If the budget is exhausted.
        """
        self._array_bytes_left -= num_bytes
        if self._array_bytes_left < 0:
            raise MalformedError(
                f"The arrays take more than {self._max_array_bytes} bytes."
            )
        self.charge(num_bytes + OBJECT_BYTES)
