"""Measures decoding from left to right by llama.cpp: greedy, several documents at a time.
Prints JSON; compare.py runs it.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import llama_cpp
import numpy as np

import results
from results import Result
from shapes import BATCHES, GENERATED, PROMPT, SMOLLM2
from timing import repeated, seconds_per_call

KINDS = {"BF16": "bf16", "Q8_0": "int8"}  # of GGUF, and the compute type of ours beside it
WARNING, ERROR = 3, 4  # of ggml's log levels
PEER = f"llama.cpp {llama_cpp.llama_version().decode()} of llama-cpp-python {llama_cpp.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scratch", type=Path, required=True, help="folder for weights")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="least time of a measurement")
    parser.add_argument("--repeats", type=int, default=3, help="least number of repetitions")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="documents at a time")
    args = parser.parse_args()
    llama_cpp.llama_log_set(_log, ctypes.c_void_p())
    results.write(list(_measure(args)))


def _measure(args: argparse.Namespace) -> Iterator[Result]:
    for kind, compute in KINDS.items():
        path = args.scratch / SMOLLM2.name / f"{kind}.gguf"
        if not path.exists():
            sys.exit(f"{path} is not there; to_gguf.py writes it")
        for documents in args.batches:
            with Decoder(path, documents, args.threads) as decoder:
                seconds = seconds_per_call(repeated(decoder.generate), args.seconds, args.repeats)
            yield Result(
                f"decode/ltr/{compute}/{documents}",
                args.threads,
                documents * GENERATED / seconds,
                "tokens/s",
                f"{PEER}, {kind}",
            )


class Decoder:
    """A model with room for so many documents."""

    def __init__(self, path: Path, documents: int, threads: int) -> None:
        self._prompts = np.random.default_rng(1).integers(SMOLLM2.vocab, size=(documents, PROMPT), dtype=np.int32)
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        if not self._model:
            raise RuntimeError(f"llama.cpp does not load {path}")
        context = llama_cpp.llama_context_default_params()
        context.n_ctx = documents * (PROMPT + GENERATED)
        context.n_batch = self._prompts.size
        context.n_seq_max = documents
        context.n_threads = context.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(self._model, context)
        if not self._context:
            raise RuntimeError(f"llama.cpp makes no context for {documents} documents")
        self._batch = llama_cpp.llama_batch_init(self._prompts.size, 0, 1)

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def generate(self) -> np.ndarray:
        """Reads the prompts and returns the generated tokens [documents, GENERATED]."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), False)
        generated = np.empty((len(self._prompts), GENERATED), np.int32)
        generated[:, 0] = self._next(self._prompts, 0)
        for i in range(1, GENERATED):
            generated[:, i] = self._next(generated[:, i - 1 : i], PROMPT + i - 1)
        return generated

    def _next(self, tokens: np.ndarray, position: int) -> np.ndarray:
        """Appends tokens [documents, n] at a position and returns the likeliest next ones [documents]."""
        documents, n = tokens.shape
        batch = self._batch
        batch.n_tokens = tokens.size
        for i, token in enumerate(tokens.ravel().tolist()):
            document, offset = divmod(i, n)
            batch.token[i] = token
            batch.pos[i] = position + offset
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = document
            batch.logits[i] = offset == n - 1
        if status := llama_cpp.llama_decode(self._context, batch):
            raise RuntimeError(f"llama_decode returned {status}")
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(self._context), (documents, SMOLLM2.vocab))
        return logits.argmax(axis=1)


@llama_cpp.llama_log_callback
def _log(level: int, text: bytes, _: ctypes.c_void_p) -> None:
    if level in (WARNING, ERROR):
        sys.stderr.write(text.decode(errors="replace"))


if __name__ == "__main__":
    main()
