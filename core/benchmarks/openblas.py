"""The OpenBLAS that numpy brings along, through its C API."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_char_p, c_float, c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

ROW_MAJOR, AS_IS, TRANSPOSED = 101, 111, 112
PREFIX, SUFFIX = "scipy_", "64_"  # of every name in numpy's build: 64-bit integers


class Library:
    """A loaded OpenBLAS."""

    def __init__(self) -> None:
        folder = Path(np.__file__).parent.parent / "numpy.libs"
        paths = sorted(folder.glob("libscipy_openblas64_*"))
        if not paths:
            raise FileNotFoundError(f"no libscipy_openblas64_ in {folder}; numpy from PyPI has it: pip install numpy")
        self._lib = ctypes.CDLL(str(paths[0]))
        config = self._symbol("openblas_get_config")
        config.restype = c_char_p
        words = config().decode().split()
        self.version = words[1]
        self.core = words[-2]

    def product(self, m: int, n: int, k: int) -> Callable[[int], None]:
        """Returns a loop over C [m, n] = A [m, k] B [n, k]^T of normal float32 operands."""
        random = np.random.default_rng(1)
        a = random.standard_normal((m, k), np.float32)
        b = random.standard_normal((n, k), np.float32) * np.float32(0.02)
        c = np.zeros((m, n), np.float32)
        rows, columns, inner, step = c_int64(m), c_int64(n), c_int64(k), c_int64(1)
        one, zero = c_float(1), c_float(0)
        at = [x.ctypes.data_as(c_void_p) for x in (a, b, c)]  # they keep their arrays
        if m == 1:  # a row is a vector, for which there is a quicker call
            multiply = self._symbol("cblas_sgemv")
            arguments: tuple[object, ...] = (
                ROW_MAJOR,
                AS_IS,
                columns,
                inner,
                one,
                at[1],
                inner,
                at[0],
                step,
                zero,
                at[2],
                step,
            )
        else:
            multiply = self._symbol("cblas_sgemm")
            shape = (ROW_MAJOR, AS_IS, TRANSPOSED, rows, columns, inner)
            arguments = (*shape, one, at[0], inner, at[1], inner, zero, at[2], columns)

        def calls(times: int) -> None:
            for _ in range(times):
                multiply(*arguments)

        calls(1)
        if not np.allclose(c[0], b @ a[0], atol=1e-3):
            raise RuntimeError(f"OpenBLAS is wrong for {m}x{n}x{k}")
        return calls

    def _symbol(self, name: str) -> Any:
        return self._lib[f"{PREFIX}{name}{SUFFIX}"]
