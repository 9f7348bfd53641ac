"""Measures matrix products of oneDNN, PyTorch and OpenBLAS. Prints JSON; compare.py runs it."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import results
from results import Result
from shapes import PRODUCTS
from timing import repeated, seconds_per_call

# Each peer is imported by its own function: their OpenMP runtimes do not mix well.

TINY = (1, 32, 32)  # a product that is all call overhead


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=sorted(PEERS), help="whose products")
    parser.add_argument("--threads", type=int, default=1, help="set OMP_NUM_THREADS and the like to it too")
    parser.add_argument("--seconds", type=float, default=0.3, help="least time of a measurement")
    parser.add_argument("--libdnnl", type=Path, help="libdnnl.so.3 of oneDNN; default: the one in paddlepaddle's wheel")
    args = parser.parse_args()
    results.write(list(PEERS[args.peer](args)))


def _onednn(args: argparse.Namespace) -> Iterator[Result]:
    import numpy as np

    import onednn

    library = onednn.Library(args.libdnnl or _libdnnl())

    def measure(m: int, n: int, k: int, inputs: str, output: str) -> tuple[onednn.Product, float]:
        product = library.product(m, n, k, inputs, output)
        seconds = seconds_per_call(product.calls, args.seconds)
        computed = onednn.decode(product.buffers[-1][0], output)
        if not np.allclose(computed, product.expected, rtol=1e-2, atol=1e-2):
            sys.exit(f"oneDNN's product {m}x{n}x{k} is wrong")
        return product, seconds

    _, overhead = measure(*TINY, "bf16", "bf16")
    for shape in PRODUCTS:
        for inputs, output in (("bf16", "bf16"), ("bf16", "float32"), ("float32", "float32")):
            product, seconds = measure(*shape, inputs, output)
            peer = f"oneDNN {library.version}, packed, {output} out"
            yield _result(shape, inputs, args.threads, seconds, peer, overhead, product.implementation)


def _libdnnl() -> Path:
    package = importlib.util.find_spec("paddle")
    path = Path(package.origin).parent / "libs" / "libdnnl.so.3" if package and package.origin else None
    if not path or not path.exists():
        sys.exit("no libdnnl: pip install --no-deps paddlepaddle, which has one, or give --libdnnl PATH")
    return path


def _torch(args: argparse.Namespace) -> Iterator[Result]:
    import torch

    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    version = torch.__version__.split("+")[0]
    packed_linear = torch.ops.mkldnn._linear_pointwise.default

    def packed(m: int, n: int, k: int) -> float:
        a = torch.randn(m, k, dtype=torch.bfloat16)
        b = torch.ops.mkldnn._reorder_linear_weight(torch.randn(n, k).mul_(0.02).bfloat16(), m)
        call = repeated(lambda: packed_linear(a, b, None, "none", [], ""))
        return seconds_per_call(call, args.seconds)

    def plain(m: int, n: int, k: int) -> float:
        a, b = torch.randn(m, k), torch.randn(n, k).mul_(0.02)
        return seconds_per_call(repeated(lambda: torch.nn.functional.linear(a, b)), args.seconds)

    for inputs, measure, how in (("bf16", packed, "its oneDNN, packed, bf16 out"), ("float32", plain, "linear")):
        overhead = measure(*TINY)
        for shape in PRODUCTS:
            yield _result(shape, inputs, args.threads, measure(*shape), f"PyTorch {version}, {how}", overhead)


def _openblas(args: argparse.Namespace) -> Iterator[Result]:
    import openblas

    library = openblas.Library()
    overhead = seconds_per_call(library.product(*TINY), args.seconds)
    for shape in PRODUCTS:
        seconds = seconds_per_call(library.product(*shape), args.seconds)
        peer = f"OpenBLAS {library.version}"
        yield _result(shape, "float32", args.threads, seconds, peer, overhead, library.core)


def _result(
    shape: tuple[int, int, int], inputs: str, threads: int, seconds: float, peer: str, overhead: float, how: str = ""
) -> Result:
    m, n, k = shape
    notes = [how] if how else []
    if overhead > 0.03 * seconds:
        notes.append(f"{overhead / seconds:.0%} of it is the call")
    rate = 2 * m * n * k / seconds / 1e9
    return Result(f"gemm/{inputs}/{m}x{n}x{k}", threads, rate, "GFLOP/s", peer, ", ".join(notes))


PEERS = {"onednn": _onednn, "torch": _torch, "openblas": _openblas}

if __name__ == "__main__":
    main()
