"""Measures the published code of A3 on PyTorch, unmodified: training steps and filling
documents. Prints JSON; compare.py runs it.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
import transformers

import results
import weights
from results import Result
from shapes import DOCUMENTS, GIVEN, GROUP, NETWORKS, POSITIONS, REFERENCE, SPECIAL, TRAININGS, Network, Training
from timing import repeated, seconds_of, seconds_per_call

SOURCE = "llama_xlnet.py"
PEER = f"published code, PyTorch {torch.__version__.split('+')[0]}"
COMPUTE = ("float32", "bf16")
BATCHES = (8, DOCUMENTS)  # documents at a time: what generates faster is measured
PILOT = 16  # open positions of a document in the pilot that finds out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("train", "generate"))
    parser.add_argument("--published", type=Path, required=True, help=f"clone of the published code, with {SOURCE}")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for weights")
    parser.add_argument("--compute", choices=COMPUTE, nargs="+", default=COMPUTE)
    parser.add_argument("--network", choices=sorted(NETWORKS), default=REFERENCE.name, help="to train")
    parser.add_argument("--threads", type=int, default=1, help="set OMP_NUM_THREADS and the like to it too")
    parser.add_argument("--steps", type=int, default=5, help="training steps that are timed")
    parser.add_argument("--batch", type=int, choices=BATCHES, help="documents filled at a time; default: the faster")
    args = parser.parse_args()
    if not (args.published / SOURCE).exists():
        sys.exit(f"{args.published} has no {SOURCE}; clone the published code there, README.md says from where")
    sys.path.insert(0, str(args.published.resolve()))
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    if args.what == "train":
        results.write(list(_train(args, TRAININGS[args.network])))
    else:
        results.write(list(_generate(args)))


def _load(network: Network, scratch: Path) -> Any:
    from llama_xlnet import LlamaTwoStreamForCausalLM

    path = weights.folder(network, scratch)
    return LlamaTwoStreamForCausalLM.from_pretrained(path, torch_dtype=torch.float32)


def _precision(compute: str) -> AbstractContextManager[object]:
    return torch.autocast("cpu", dtype=torch.bfloat16) if compute == "bf16" else nullcontext()


def _train(args: argparse.Namespace, t: Training) -> Iterator[Result]:
    for compute in args.compute:
        step = _step(_load(t.network, args.scratch).train(), t, compute)
        seconds = seconds_per_call(repeated(step), least=0, repeats=args.steps)
        name = f"train/{t.network.name}/{compute}"
        note = f"{t.micro_batch} documents at a time" if t.micro_batch < t.batch else ""
        yield Result(name, args.threads, t.batch * t.sequence / seconds, "tokens/s", PEER, note)


def _step(model: Any, t: Training, compute: str) -> Callable[[], None]:
    """Returns an optimizer step as the published example configures it, on the same documents."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01, fused=True)
    tokens = torch.randint(t.network.vocab, (t.batch, t.sequence))
    groups = torch.arange(t.sequence // GROUP).repeat_interleave(GROUP)[torch.randperm(t.sequence)]
    parts = t.batch // t.micro_batch

    def step() -> None:
        for part in tokens.split(t.micro_batch):
            with _precision(compute):
                loss = model(input_ids=part, group_ids=groups.expand_as(part), labels=part).loss
            (loss / parts).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _generate(args: argparse.Namespace) -> Iterator[Result]:
    model = _load(REFERENCE, args.scratch).eval()
    pad = model.config.pad_token_id

    def in_groups(tokens: torch.Tensor) -> None:
        model.generate_two_stream(tokens, _groups(tokens != pad), POSITIONS, do_sample=False, pad_token_id=pad)

    def dynamically(tokens: torch.Tensor) -> None:
        model.generate_dynamic_resampling(
            tokens, POSITIONS, step_size=GROUP, criterion="confidence", do_sample=False, pad_token_id=pad
        )

    for name, fill in (("groups4", in_groups), ("dynamic4", dynamically)):
        for compute in args.compute:
            rate = functools.partial(_rate, fill, compute, pad)
            rate(min(BATCHES), POSITIONS - PILOT)  # warm-up
            best = args.batch or max(BATCHES, key=functools.partial(rate, given=POSITIONS - PILOT))
            yield Result(
                f"generate/{name}/{DOCUMENTS}",
                args.threads,
                rate(best, GIVEN),
                "tokens/s",
                f"{PEER}, {compute}",
                f"{best} documents at a time",
            )


def _rate(fill: Callable[[torch.Tensor], None], compute: str, pad: int, documents: int, given: int) -> float:
    """Returns filled tokens a second."""
    tokens = _documents(documents, given, pad)
    with _precision(compute):
        return documents * (POSITIONS - given) / seconds_of(lambda: fill(tokens))


def _documents(count: int, given: int, pad: int) -> torch.Tensor:
    """Returns random tokens [count, POSITIONS] of which the given ones, spread evenly, are kept."""
    ends = torch.arange(POSITIONS + 1) * given // POSITIONS
    tokens = torch.randint(REFERENCE.vocab - SPECIAL, (count, POSITIONS))
    return tokens.where(ends[:-1] != ends[1:], pad)


def _groups(given: torch.Tensor) -> torch.Tensor:
    """Returns group ids [documents, POSITIONS]: 0 is given, the open positions are in groups at random."""
    order = torch.rand(given.shape).masked_fill(given, -1.0).argsort(dim=1).argsort(dim=1)
    known = given.sum(dim=1, keepdim=True)
    return ((order - known) // GROUP + 1).masked_fill(given, 0)


if __name__ == "__main__":
    main()
