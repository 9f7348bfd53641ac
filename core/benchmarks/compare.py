"""Measures other engines and a3 on the same work, in turns, and prints both.

Peers first in one round, a3 first in the next, so that both meet the same machine. Every
number is the median of the rounds; a ratio is the median of the rounds' ratios.
README.md beside this file says what to install.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


@dataclass(frozen=True)
class Comparison:
    """Work that a3 and others do. Commands are scripts beside this file."""

    names: str  # what the names of the measurements begin with
    compute: tuple[str, ...]  # our types that are measured, where the machine has them
    needs: dict[str, str]  # modules that the peers import, and what to install for them
    peers: tuple[str, ...]
    prepare: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()  # in place of peers


WEIGHTS = {"torch": "torch", "safetensors": "safetensors"}
PUBLISHED = WEIGHTS | {"transformers": "transformers==4.46.3"}
COMPARISONS = {
    "gemm": Comparison(
        names="gemm",
        compute=("float32", "bf16"),
        needs={"torch": "torch", "numpy": "numpy"},
        peers=("gemm.py onednn", "gemm.py torch", "gemm.py openblas"),
        quick=("gemm.py onednn --seconds 0.05", "gemm.py torch --seconds 0.05", "gemm.py openblas --seconds 0.05"),
    ),
    "train": Comparison(
        names="train/reference",
        compute=("float32", "bf16"),
        needs=PUBLISHED,
        peers=("published.py train",),
        quick=("published.py train --steps 2",),
    ),
    "train-large": Comparison(
        names="train/smollm2",
        compute=("float32", "bf16"),
        needs=PUBLISHED,
        peers=("published.py train --network smollm2 --steps 3",),
        quick=("published.py train --network smollm2 --steps 1",),
    ),
    "generate": Comparison(
        names="generate",
        compute=("float32", "bf16"),
        needs=PUBLISHED,
        peers=("published.py generate",),
        quick=("published.py generate --batch 8 --compute float32",),
    ),
    "decode": Comparison(
        names="decode/ltr",
        compute=("bf16", "int8"),
        needs=WEIGHTS | {"gguf": "gguf", "llama_cpp": "llama-cpp-python"},
        peers=("llamacpp.py",),
        prepare=("to_gguf.py",),
        quick=("llamacpp.py --seconds 0 --repeats 1 --batches 1 16",),
    ),
}

QUIET = 0.1  # cores that others may keep busy: engines that spin at barriers suffer most

# What every peer is started with: buffers that were freed stay mapped, as an engine that
# serves would have it; without, glibc returns large ones and each call faults them in anew.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483648", "MALLOC_TOP_PAD_": "67108864"}


def main() -> None:
    args = _arguments()
    wanted = list(COMPARISONS) if "all" in args.what else list(dict.fromkeys(args.what))
    comparisons = [COMPARISONS[name] for name in wanted]
    _check(comparisons, args)
    others = Others()
    with tempfile.TemporaryDirectory(prefix="a3-benchmarks-") as temporary:
        scratch = args.scratch or Path(temporary)
        a3 = args.a3 or _build(Path(temporary))
        rows: list[dict[str, Any]] = []
        for comparison in comparisons:
            for script in comparison.prepare:
                _run([sys.executable, str(HERE / script), "--scratch", str(scratch)], dict(os.environ))
            for threads in args.threads:
                rows += _compare(comparison, threads, args, scratch, a3)
    machine = _machine() | {"others": others.report()}
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2))
    _print(machine, rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", nargs="+", choices=[*COMPARISONS, "all"], default=["all"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, help="how often each is measured (default: 3, quick: 1)")
    parser.add_argument("--quick", action="store_true", help="small jobs and one round: shows that all works")
    parser.add_argument("--published", type=Path, help="clone of the published code, for train and generate")
    parser.add_argument("--libdnnl", type=Path, help="libdnnl.so.3 of oneDNN, for gemm; default: paddlepaddle's")
    parser.add_argument("--scratch", type=Path, help="folder that keeps the weights; default: a temporary one")
    parser.add_argument("--a3", type=Path, help="a3 to measure; default: built from this tree")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers of all rounds there")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    return args


def _check(comparisons: list[Comparison], args: argparse.Namespace) -> None:
    """Stops before anything is measured if something is missing."""
    needs = {module: package for c in comparisons for module, package in c.needs.items()}
    missing = [package for module, package in needs.items() if importlib.util.find_spec(module) is None]
    if missing:
        sys.exit(f"missing for {sys.executable}: pip install {' '.join(missing)} (see {HERE / 'README.md'})")
    if any("published.py" in command for c in comparisons for command in c.peers) and not args.published:
        sys.exit(f"train and generate need --published, a clone of the published code (see {HERE / 'README.md'})")


def _build(folder: Path) -> Path:
    subprocess.run(["go", "build", "-o", folder / "a3", "."], cwd=ROOT, check=True)
    return folder / "a3"


def _compare(
    comparison: Comparison, threads: int, args: argparse.Namespace, scratch: Path, a3: Path
) -> list[dict[str, Any]]:
    """Returns a row for each number of a peer: its values and ours, by rounds."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for i in range(args.rounds):
        peers_first = i % 2 == 0
        peers = _peers(comparison, threads, args, scratch) if peers_first else []
        ours = _ours(comparison, threads, args, a3)
        for r in peers or _peers(comparison, threads, args, scratch):
            empty = {"name": r["name"], "threads": threads, "unit": r["unit"], "peer": r["peer"], "note": r["note"]}
            row = rows.setdefault((r["name"], r["peer"]), empty | {"values": [], "ours": []})
            row["values"].append(r["value"])
            if r["name"] in ours:
                row["ours"].append(ours[r["name"]])
    return list(rows.values())


def _peers(comparison: Comparison, threads: int, args: argparse.Namespace, scratch: Path) -> list[dict[str, Any]]:
    commands = comparison.quick if args.quick else comparison.peers
    return [r for command in commands for r in json.loads(_script(command, threads, args, scratch))]


def _script(command: str, threads: int, args: argparse.Namespace, scratch: Path) -> str:
    """Runs a script beside this file and returns what it prints."""
    script, *words = command.split()
    options = ["--threads", str(threads)]
    if script != "gemm.py":
        options += ["--scratch", str(scratch)]
    if script == "gemm.py" and args.libdnnl:
        options += ["--libdnnl", str(args.libdnnl)]
    if script == "published.py":
        options += ["--published", str(args.published)]
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    return _run([sys.executable, str(HERE / script), *words, *options], os.environ | MALLOC | limits)


def _ours(comparison: Comparison, threads: int, args: argparse.Namespace, a3: Path) -> dict[str, float]:
    """Returns our values by name."""
    offered = _bench(a3, "--only", "machine")["machine"]["compute"]
    compute = [c for c in comparison.compute if c in offered]
    if not compute:
        return {}
    options = ["--only", comparison.names, "--compute", ",".join(compute), "--threads", str(threads)]
    report = _bench(a3, *options, "--duration", "50ms" if args.quick else "300ms")
    return {r["name"]: r["value"] for r in report["results"] if r["threads"] == threads}


def _bench(a3: Path, *options: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(
        _run([str(a3), "bench", "--json", "--suite", "peers", *options], dict(os.environ))
    )
    return report


def _run(command: list[str], environment: dict[str, str]) -> str:
    print("+", " ".join(Path(w).name if w.startswith("/") else w for w in command), file=sys.stderr, flush=True)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}")
    return done.stdout


def _machine() -> dict[str, Any]:
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "commit": subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
        ).stdout.strip(),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


class Others:
    """Watches what other processes take of the machine: figures from a busy one mean little."""

    def __init__(self) -> None:
        self._start = self._now()

    def report(self) -> str:
        """Says how many cores they kept busy since the beginning; Linux only, elsewhere none."""
        wall, busy, own = (now - then for now, then in zip(self._now(), self._start, strict=True))
        cores = max(0.0, (busy - own) / wall)
        verdict = "too many: measure again on a quiet machine" if cores > QUIET else "quiet enough"
        return f"{cores:.2f} cores busy with something else meanwhile, {verdict}"

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Returns seconds: of the clock, of all cores' work, of this process and those it ended."""
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        stat = _lines("/proc/stat")
        if not stat:
            return times.elapsed, own, own
        user, nice, system, _, _, interrupt, soft, stolen = map(int, stat[0].split()[1:9])
        return times.elapsed, (user + nice + system + interrupt + soft + stolen) / os.sysconf("SC_CLK_TCK"), own


def _print(machine: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    for name, value in machine.items():
        print(f"{name:9}  {value}")
    cells = [("name", "threads", "a3", "peer", "ratio", "unit", "")]
    first = {row["name"]: i for i, row in reversed(list(enumerate(rows)))}
    for row in sorted(rows, key=lambda r: (r["name"].split("/")[:2], first[r["name"]], r["threads"])):
        ours = row["ours"]
        ratio = f"{median(a / b for a, b in zip(ours, row['values'], strict=True)):.2f}" if ours else "-"
        cells.append(
            (
                row["name"],
                str(row["threads"]),
                f"{median(ours):.4g}" if ours else "-",
                f"{median(row['values']):.4g}",
                ratio,
                row["unit"],
                "; ".join(filter(None, (row["peer"], row["note"]))),
            )
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print()
    for line in cells:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


if __name__ == "__main__":
    main()
