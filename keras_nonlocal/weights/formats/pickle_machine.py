"""An interpreter for the subset of the pickle language that plain data needs.

A pickle is a program for a stack machine. Even with a restricted `find_class`,
`pickle.Unpickler` lets the program consume any amount of memory and time, by memo
indices, declared lengths and repeated calls on the same long text. This machine never
imports or calls what a file names. It looks up globals in a table of constructors,
checks lengths against the available bytes, accepts only scalars as keys of dicts, and
charges every operation and every constructed value to a `Budget`. Byte strings are
`memoryview`s of the file.
"""

import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.formats.budget import OBJECT_BYTES, Budget
from keras_nonlocal.weights.formats.pickle_values import (
    Buildable,
    Constructor,
    Global,
    dictionary_key,
)

MAX_OPERATIONS = 2_000_000
MAX_INTEGER_BYTES = 1024
MAX_NUMBER_BYTES = 1024

PersistentLoad = Callable[[Any], Any]

_QUOTED = re.compile(
    rb"""(['"])((?:[^\\\n]|\\(?:x[0-9a-fA-F]{2}|[0-7]{1,3}|[\\'"abfnrtv]))*+)\1""",
    re.DOTALL,
)


class PickleMachine:
    """Runs one pickle stream.

    Args:
        data: The bytes. The stream begins at `position`.
        constructors: A mapping from `"module name"` to the constructor. Any other name
            in the file raises an error.
        budget: The budget to charge for everything that the stream builds.
        persistent_load: Resolves persistent ids. Without it, they raise an error.
        position: Start of the stream.
    """

    def __init__(
        self,
        data: memoryview,
        constructors: Mapping[str, Constructor],
        budget: Budget,
        persistent_load: PersistentLoad | None = None,
        position: int = 0,
    ) -> None:
        self.data = data
        self.position = position
        self._constructors = constructors
        self._budget = budget
        self._persistent_load = persistent_load
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Returns the object and moves `position` past the stream."""
        for _ in range(MAX_OPERATIONS):
            self._budget.charge(OBJECT_BYTES)
            code = self._take(1)[0]
            if code == 0x2E:  # STOP
                return self._pop()
            operation = _OPERATIONS.get(code)
            if operation is None:
                raise MalformedError(
                    f"The pickle uses the operation {code:#04x}, which plain data "
                    "does not need."
                )
            operation(self)
        raise MalformedError(f"The pickle takes more than {MAX_OPERATIONS} operations.")

    def _take(self, count: int) -> memoryview:
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise MalformedError("The pickle ends in the middle.")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def _line(self, max_bytes: int | None = None) -> bytes:
        # Copies growing pieces, because a `memoryview` cannot be searched.
        pieces = []
        size = 256
        while True:
            piece = bytes(self.data[self.position : self.position + size])
            if not piece:
                raise MalformedError("The pickle ends in the middle of a line.")
            end = piece.find(b"\n")
            if end >= 0:
                self.position += end + 1
                pieces.append(piece[:end])
                line = b"".join(pieces)
                # Decoding takes up to four bytes per byte, and the text is encoded
                # again.
                self._budget.charge(8 * len(line))
                if max_bytes is not None and len(line) > max_bytes:
                    raise MalformedError("The pickle holds an enormous number.")
                return line
            self.position += len(piece)
            pieces.append(piece)
            size = min(4 * size, 1 << 20)

    def _unpack(self, layout: str) -> Any:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _pop(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise MalformedError("The pickle takes more from its stack than is there.")
        return self._stack.pop()

    def _top(self) -> Any:
        value = self._pop()
        self._stack.append(value)
        return value

    def _pop_to_mark(self) -> list[Any]:
        if not self._marks:
            raise MalformedError("The pickle closes a group that it did not open.")
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _remember(self, index: int) -> None:
        self._memo[index] = self._top()

    def _recall(self, index: int) -> None:
        if index not in self._memo:
            raise MalformedError("The pickle refers to an object that does not exist.")
        self._push(self._memo[index])

    def _index(self) -> int:
        return int(self._line(MAX_NUMBER_BYTES))

    def _integer_text(self) -> None:
        text = self._line(MAX_NUMBER_BYTES)
        if text in (b"00", b"01"):
            self._push(text == b"01")
            return
        self._push(int(text.rstrip(b"L")))

    def _long(self, num_bytes: int) -> None:
        if num_bytes > MAX_INTEGER_BYTES:
            raise MalformedError("The pickle holds an enormous number.")
        self._push(int.from_bytes(self._take(num_bytes), "little", signed=True))

    def _quoted_string(self) -> None:
        match = _QUOTED.fullmatch(self._line().strip())
        if match is None:
            raise MalformedError("The pickle holds a string without proper quotes.")
        self._push(memoryview(match[2].decode("unicode_escape").encode("latin-1")))

    def _text(self, num_bytes: int) -> None:
        self._budget.charge(4 * num_bytes)
        self._push(str(self._take(num_bytes), "utf-8", "surrogatepass"))

    def _append(self, items: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise MalformedError("The pickle appends to something that is not a list.")
        target.extend(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, dict):
            raise MalformedError(
                "The pickle sets items of something that is not a dict."
            )
        if len(items) % 2:
            raise MalformedError("The pickle holds a key without a value.")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[dictionary_key(key, self._budget)] = value

    def _new_dict(self) -> None:
        items = self._pop_to_mark()
        self._push({})
        self._set_items(items)

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items([key, value])

    def _append_one(self) -> None:
        self._append([self._pop()])

    def _global(self, module: str, name: str) -> None:
        full_name = f"{module} {name}"
        self._budget.charge(len(full_name))
        if full_name not in self._constructors:
            raise MalformedError(
                f"The pickle names `{module[:80]}.{name[:80]}`; only arrays and plain "
                "containers are admitted, and nothing was executed."
            )
        self._push(Global(full_name, self._constructors[full_name]))

    def _global_lines(self) -> None:
        module = self._line().decode("utf-8")
        self._global(module, self._line().decode("utf-8"))

    def _global_from_stack(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise MalformedError("The pickle names a global whose name is invalid.")
        self._global(module, name)

    def _call(self) -> None:
        arguments, target = self._pop(), self._pop()
        if not isinstance(target, Global) or not isinstance(arguments, tuple):
            raise MalformedError("The pickle calls something that cannot be called.")
        self._budget.charge(2 * OBJECT_BYTES)
        self._push(target.construct(arguments, self._budget))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if isinstance(target, Buildable):
            target.build(state, self._budget)
        elif not isinstance(target, dict):  # attributes of an `OrderedDict`
            raise MalformedError("The pickle gives a state to what has none.")

    def _persistent(self, identifier: Any) -> None:
        if self._persistent_load is None:
            raise MalformedError("The pickle refers to data outside of it.")
        self._budget.charge(4 * OBJECT_BYTES)
        self._push(self._persistent_load(identifier))

    def _tuple(self, length: int) -> None:
        items = [self._pop() for _ in range(length)]
        self._push(tuple(reversed(items)))


_Operation = Callable[[PickleMachine], object]
_M = PickleMachine

# The names are those of `pickletools.opcodes`.
_OPERATIONS: dict[int, _Operation] = {
    ord(code): operation
    for code, operation in {
        "\x80": lambda m: m._take(1) and None,  # PROTO
        "\x95": lambda m: m._take(8) and None,  # FRAME
        "(": lambda m: m._marks.append(len(m._stack)),  # MARK
        "0": lambda m: m._pop() and None,  # POP
        "1": lambda m: m._pop_to_mark() and None,  # POP_MARK
        "2": lambda m: m._push(m._top()),  # DUP
        "N": lambda m: m._push(None),  # NONE
        "\x88": lambda m: m._push(True),  # NEWTRUE
        "\x89": lambda m: m._push(False),  # NEWFALSE
        "I": _M._integer_text,  # INT
        "L": _M._integer_text,  # LONG
        "J": lambda m: m._push(m._unpack("<i")),  # BININT
        "K": lambda m: m._push(m._unpack("<B")),  # BININT1
        "M": lambda m: m._push(m._unpack("<H")),  # BININT2
        "\x8a": lambda m: m._long(m._unpack("<B")),  # LONG1
        "\x8b": lambda m: m._long(m._unpack("<i")),  # LONG4
        "F": lambda m: m._push(float(m._line(MAX_NUMBER_BYTES))),  # FLOAT
        "G": lambda m: m._push(m._unpack(">d")),  # BINFLOAT
        "S": _M._quoted_string,  # STRING
        "T": lambda m: m._push(m._take(m._unpack("<i"))),  # BINSTRING
        "U": lambda m: m._push(m._take(m._unpack("<B"))),  # SHORT_BINSTRING
        "B": lambda m: m._push(m._take(m._unpack("<I"))),  # BINBYTES
        "C": lambda m: m._push(m._take(m._unpack("<B"))),  # SHORT_BINBYTES
        "\x8e": lambda m: m._push(m._take(m._unpack("<Q"))),  # BINBYTES8
        "\x96": lambda m: m._push(m._take(m._unpack("<Q"))),  # BYTEARRAY8
        "V": lambda m: m._push(m._line().decode("raw-unicode-escape")),  # UNICODE
        "X": lambda m: m._text(m._unpack("<I")),  # BINUNICODE
        "\x8c": lambda m: m._text(m._unpack("<B")),  # SHORT_BINUNICODE
        "\x8d": lambda m: m._text(m._unpack("<Q")),  # BINUNICODE8
        "]": lambda m: m._push([]),  # EMPTY_LIST
        "l": lambda m: m._push(m._pop_to_mark()),  # LIST
        "a": _M._append_one,  # APPEND
        "e": lambda m: m._append(m._pop_to_mark()),  # APPENDS
        ")": lambda m: m._push(()),  # EMPTY_TUPLE
        "t": lambda m: m._push(tuple(m._pop_to_mark())),  # TUPLE
        "\x85": lambda m: m._tuple(1),  # TUPLE1
        "\x86": lambda m: m._tuple(2),  # TUPLE2
        "\x87": lambda m: m._tuple(3),  # TUPLE3
        "}": lambda m: m._push({}),  # EMPTY_DICT
        "d": _M._new_dict,  # DICT
        "s": _M._set_item,  # SETITEM
        "u": lambda m: m._set_items(m._pop_to_mark()),  # SETITEMS
        "p": lambda m: m._remember(m._index()),  # PUT
        "q": lambda m: m._remember(m._unpack("<B")),  # BINPUT
        "r": lambda m: m._remember(m._unpack("<I")),  # LONG_BINPUT
        "\x94": lambda m: m._remember(len(m._memo)),  # MEMOIZE
        "g": lambda m: m._recall(m._index()),  # GET
        "h": lambda m: m._recall(m._unpack("<B")),  # BINGET
        "j": lambda m: m._recall(m._unpack("<I")),  # LONG_BINGET
        "c": _M._global_lines,  # GLOBAL
        "\x93": _M._global_from_stack,  # STACK_GLOBAL
        "R": _M._call,  # REDUCE
        "\x81": _M._call,  # NEWOBJ
        "b": _M._build,  # BUILD
        "P": lambda m: m._persistent(m._line().decode("utf-8")),  # PERSID
        "Q": lambda m: m._persistent(m._pop()),  # BINPERSID
    }.items()
}
