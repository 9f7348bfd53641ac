"""oneDNN through its C API: a matrix product with weights packed as the library likes best.

A call from Python costs less than a microsecond here, where a framework's operator costs
ten. Names and numbers are those of oneapi/dnnl/dnnl.h, the same in all versions 3.x.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_int64, c_size_t, c_uint, c_void_p
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CPU = IN_ORDER = FORMAT_ANY = 1
TYPES = {"bf16": 2, "float32": 3}
QUERY_IMPLEMENTATION, QUERY_WEIGHTS = 8, 131
SOURCE, DESTINATION, WEIGHTS = 1, 17, 33
ALIGNMENT = 64


class _Version(ctypes.Structure):
    _fields_ = [("major", c_int), ("minor", c_int), ("patch", c_int), ("hash", c_char_p), ("runtimes", c_uint * 2)]


class _Argument(ctypes.Structure):
    _fields_ = [("which", c_int), ("memory", c_void_p)]


@dataclass(frozen=True)
class Product:
    """A product C [M, N] = A [M, K] B [K, N] that is ready to run."""

    calls: Callable[[int], None]  # computes it so many times
    implementation: str  # as oneDNN names it
    buffers: tuple[np.ndarray, ...]  # A, packed B, C: the library has their addresses
    expected: np.ndarray  # the first row of C, from the same operands


class Library:
    """A loaded libdnnl. It lives as long as the process, and so does what it makes."""

    def __init__(self, path: Path) -> None:
        self._lib = ctypes.CDLL(str(path))
        self._lib.dnnl_version.restype = ctypes.POINTER(_Version)
        self._lib.dnnl_memory_desc_get_size.restype = c_size_t
        self._lib.dnnl_primitive_desc_query_md.restype = c_void_p
        version = self._lib.dnnl_version().contents
        self.version = f"{version.major}.{version.minor}.{version.patch}"
        if version.major != 3:
            raise ValueError(f"{path} is oneDNN {self.version}; version 3 is needed")
        self._engine = self._new("dnnl_engine_create", CPU, c_size_t(0))
        self._stream = self._new("dnnl_stream_create", self._engine, IN_ORDER)

    def product(self, m: int, n: int, k: int, inputs: str, output: str) -> Product:
        """Prepares a product of normal operands, B from its transpose, as checkpoints have it."""
        source, destination = self._plain((m, k), inputs, (k, 1)), self._plain((m, n), output, (n, 1))
        any_weights = self._new("dnnl_memory_desc_create_with_tag", 2, _dims(k, n), TYPES[inputs], FORMAT_ANY)
        description = self._new(
            "dnnl_matmul_primitive_desc_create", self._engine, source, any_weights, None, destination, None
        )
        packed = c_void_p(self._lib.dnnl_primitive_desc_query_md(description, QUERY_WEIGHTS, 0))

        random = np.random.default_rng(1)
        a = _aligned(_encode(random.standard_normal((m, k), np.float32), inputs))
        b = _aligned(_encode(random.standard_normal((n, k), np.float32) * np.float32(0.02), inputs))
        c = _aligned(_encode(np.zeros((m, n), np.float32), output))
        room = _aligned(np.zeros(self._lib.dnnl_memory_desc_get_size(packed), np.uint8))
        weights = self._memory(packed, room)
        self._pack(self._plain((k, n), inputs, (1, k)), b, packed, weights)

        primitive = self._new("dnnl_primitive_create", description)
        arguments = (_Argument * 3)(
            _Argument(SOURCE, self._memory(source, a)),
            _Argument(WEIGHTS, weights),
            _Argument(DESTINATION, self._memory(destination, c)),
        )
        execute, stream, three = self._lib.dnnl_primitive_execute, self._stream, c_int(3)

        def calls(times: int) -> None:
            for _ in range(times):
                execute(primitive, stream, three, arguments)

        first_row = decode(b, inputs) @ decode(a[0], inputs)
        return Product(calls, self._implementation(description), (a, room, c), first_row)

    def _pack(self, plain: c_void_p, b: np.ndarray, packed: c_void_p, weights: c_void_p) -> None:
        description = self._new("dnnl_reorder_primitive_desc_create", plain, self._engine, packed, self._engine, None)
        primitive = self._new("dnnl_primitive_create", description)
        arguments = (_Argument * 2)(_Argument(SOURCE, self._memory(plain, b)), _Argument(DESTINATION, weights))
        self._check("dnnl_primitive_execute", self._lib.dnnl_primitive_execute(primitive, self._stream, 2, arguments))
        self._check("dnnl_stream_wait", self._lib.dnnl_stream_wait(self._stream))

    def _implementation(self, description: c_void_p) -> str:
        name = c_char_p()
        status = self._lib.dnnl_primitive_desc_query(description, QUERY_IMPLEMENTATION, 0, byref(name))
        self._check("dnnl_primitive_desc_query", status)
        return (name.value or b"").decode()

    def _plain(self, shape: tuple[int, int], kind: str, strides: tuple[int, int]) -> c_void_p:
        return self._new("dnnl_memory_desc_create_with_strides", 2, _dims(*shape), TYPES[kind], _dims(*strides))

    def _memory(self, description: c_void_p, data: np.ndarray) -> c_void_p:
        return self._new("dnnl_memory_create", description, self._engine, c_void_p(data.ctypes.data))

    def _new(self, create: str, *arguments: object) -> c_void_p:
        handle = c_void_p()
        self._check(create, getattr(self._lib, create)(byref(handle), *arguments))
        return handle

    @staticmethod
    def _check(call: str, status: int) -> None:
        if status != 0:
            raise RuntimeError(f"{call} returned status {status}")


def _dims(*sizes: int) -> ctypes.Array[c_int64]:
    return (c_int64 * 12)(*sizes)


def _encode(values: np.ndarray, kind: str) -> np.ndarray:
    """Cuts float32 to bf16, whose bits are the upper halves."""
    return (values.view(np.uint32) >> 16).astype(np.uint16) if kind == "bf16" else values


def decode(values: np.ndarray, kind: str) -> np.ndarray:
    """Widens bf16 to float32."""
    return (values.astype(np.uint32) << 16).view(np.float32) if kind == "bf16" else values


def _aligned(values: np.ndarray) -> np.ndarray:
    """Copies an array to one that begins at a cache line."""
    room = np.empty(values.nbytes + ALIGNMENT, np.uint8)
    begin = -room.ctypes.data % ALIGNMENT
    copy = room[begin : begin + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy
