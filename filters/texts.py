"""Look at an Arrow string column as bytes and offsets, without a copy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numba import njit, types
from numba.extending import intrinsic

from kakehi.arrays import Int64N, Int64N1, UInt8M, UInt32M

#: Where something is in a text, in kernels: a signed index may count from the end, and asking that costs half the speed.
ByteIndex: TypeAlias = np.uint64

#: For what is called inside a kernel and makes no array: counting references to its arguments, atomically, at every
#: call took a third of `rewrite`'s time. An option of numba's own, hence the underscore,
#: and hence unknown to its types, by which what kernels count, an int64, is no int either (60 false errors): so Any.
leaf: Any = njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]

# Unsigned and signed together would be a float, so what meets places and code points is unsigned too.
_1, _2, _3, _4, _6, _12, _18 = (np.uint64(value) for value in (1, 2, 3, 4, 6, 12, 18))
_LOW_3, _LOW_4, _LOW_5, _LOW_6 = (np.uint64(value) for value in (0x07, 0x0F, 0x1F, 0x3F))
_TWO_BYTES, _THREE_BYTES, _FOUR_BYTES = (np.uint64(value) for value in (0x80, 0xE0, 0xF0))


@dataclass(frozen=True)
class Texts:
    """Hold texts as one run of UTF-8 bytes; text i is `bytes_[offsets[i]:offsets[i + 1]]`.

    `offsets[0]` need not be 0: a slice of a column keeps the column's buffer.
    """

    bytes_: UInt8M
    offsets: Int64N1

    def __len__(self) -> int:
        """Count the texts."""
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[str]:
        """Decode the texts one by one; for tests and slow paths."""
        for start, stop in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            yield self.bytes_[start:stop].tobytes().decode()

    @property
    def sizes(self) -> Int64N:
        """Return the length of every text, int64[n], in bytes."""
        return np.diff(self.offsets)


def view(column: pa.Array) -> Texts:
    """Return the texts of a string column; a null row is an empty text.

    `large_string` without nulls is not copied; `string` has its offsets widened, nulls are filled first.
    The bytes are trusted to be valid UTF-8: validate buffers from outside at the border.

    Raises:
        ValueError: The column is no string column.
    """
    if not (pa.types.is_large_string(column.type) or pa.types.is_string(column.type)):
        raise ValueError(
            f"texts.view: column has type {str(column.type)!r}, wanted 'large_string' or 'string'"
        )
    if column.null_count:
        column = column.fill_null("")
    dtype = np.dtype(np.int64 if pa.types.is_large_string(column.type) else np.int32)
    _, offsets, values = column.buffers()
    bytes_ = np.empty(0, np.uint8) if values is None else np.frombuffer(memoryview(values), np.uint8)
    if len(column) == 0:
        return Texts(bytes_, np.zeros(1, np.int64))
    start = column.offset * dtype.itemsize
    places = np.frombuffer(memoryview(offsets or b""), dtype, len(column) + 1, start)
    return Texts(bytes_, places.astype(np.int64, copy=False))


def column_of(texts: Texts) -> pa.LargeStringArray:
    """Return the texts as a column that shares their memory."""
    offsets = pa.py_buffer(np.ascontiguousarray(texts.offsets))
    return pa.LargeStringArray.from_buffers(len(texts), offsets, pa.py_buffer(texts.bytes_))


@intrinsic
def eight(_: Any, bytes_: Any, place: Any) -> Any:  # noqa: ARG001 - a type; its value is in `arguments`
    """Read eight bytes from a place on as one number, the first lowest; eight must be there."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(array.data, [arguments[1]])
        value = builder.load(builder.bitcast(address, context.get_value_type(types.uint64).as_pointer()))
        value.align = 1
        return value

    return types.uint64(bytes_, types.uint64), build


@njit(cache=True, nogil=True)
def longest_of(offsets: Int64N1) -> int:
    """Give the most bytes (or units) that lie between two neighbouring offsets, 0 where there are none."""
    most = 0
    for i in range(len(offsets) - 1):
        most = max(most, offsets[i + 1] - offsets[i])
    return most


@leaf
def character(bytes_: UInt8M, i: ByteIndex) -> tuple[ByteIndex, ByteIndex]:
    """Return the code point of valid UTF-8 that begins at `i`, and the place after it.

    Plain branches: a version without any was slower.
    """
    code = np.uint64(bytes_[i])
    if code < _TWO_BYTES:
        return code, i + _1
    second = np.uint64(bytes_[i + _1]) & _LOW_6
    if code < _THREE_BYTES:
        return (code & _LOW_5) << _6 | second, i + _2
    third = np.uint64(bytes_[i + _2]) & _LOW_6
    if code < _FOUR_BYTES:
        return (code & _LOW_4) << _12 | second << _6 | third, i + _3
    return (code & _LOW_3) << _18 | second << _12 | third << _6 | np.uint64(bytes_[i + _3]) & _LOW_6, i + _4


@njit(cache=True, nogil=True)
def decode_into(bytes_: UInt8M, start: int, stop: int, out: UInt32M) -> np.int64:
    """Write the code points of valid UTF-8 `bytes_[start:stop]` to `out` and return their number.

    `out` needs room for `stop - start`.
    """
    i, end, count = np.uint64(start), np.uint64(stop), np.uint64(0)
    while i < end:
        code, i = character(bytes_, i)
        out[count] = code
        count += _1
    return np.int64(count)
