"""Name arrays by dtype and axes, for signatures.

Axes: N rows, texts or documents; N1 one more than these; M bytes or values of any number; K, B, C and R what a row has
several of: hashes, bands, columns and rules; S symbols of a code, or nodes of its tree.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

AnyN: TypeAlias = NDArray[Any]
BoolM: TypeAlias = NDArray[np.bool_]
BoolN: TypeAlias = NDArray[np.bool_]
BoolNR: TypeAlias = NDArray[np.bool_]
Float64N: TypeAlias = NDArray[np.float64]
Int8N: TypeAlias = NDArray[np.int8]
Int32M: TypeAlias = NDArray[np.int32]
Int32N: TypeAlias = NDArray[np.int32]
Int64M: TypeAlias = NDArray[np.int64]
Int64N: TypeAlias = NDArray[np.int64]
Int64N1: TypeAlias = NDArray[np.int64]
Int64NC: TypeAlias = NDArray[np.int64]
Int64NK: TypeAlias = NDArray[np.int64]
Int64S: TypeAlias = NDArray[np.int64]
UInt8M: TypeAlias = NDArray[np.uint8]
UInt16M: TypeAlias = NDArray[np.uint16]
UInt16N: TypeAlias = NDArray[np.uint16]
UInt32M: TypeAlias = NDArray[np.uint32]
UInt32N: TypeAlias = NDArray[np.uint32]
UInt32NK: TypeAlias = NDArray[np.uint32]
UInt64M: TypeAlias = NDArray[np.uint64]
UInt64N: TypeAlias = NDArray[np.uint64]
UInt64NB: TypeAlias = NDArray[np.uint64]
VoidN: TypeAlias = NDArray[np.void]
