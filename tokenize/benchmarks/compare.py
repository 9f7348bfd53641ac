#!/usr/bin/env python3
"""Compares the speed of encoding with that of Hugging Face's tokenizers, in one run.

Both encode the same documents on one thread, in turns, added tokens recognised; the
library by the faster of encode_batch and encode_batch_fast, which leaves offsets out.
A number is the median of the rounds, the ratio that of the rounds' ratios. See README.md.
"""

import argparse
import gzip
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent


def read_texts(path, megabytes):
    """The first documents of a JSONL file, cut to paragraphs of at most 8,000 characters."""
    texts, size = [], 0
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        for line in f:
            text = json.loads(line)["text"]
            while text and size < megabytes * 1e6:
                end = len(text) if len(text) <= 8000 else text.rfind("\n", 1, 8000) + 1 or 8000
                texts.append(text[:end])
                size += len(texts[-1].encode())
                text = text[end:]
            if size >= megabytes * 1e6:
                break
    return texts


def library(tokenizer, texts, repeat):
    """The best MB/s of the library in this process."""
    import tokenizers

    t = tokenizers.Tokenizer.from_file(tokenizer)
    size = sum(len(text.encode()) for text in texts)
    best = 0
    for encode in (t.encode_batch, t.encode_batch_fast):
        for _ in range(repeat):
            start = time.perf_counter()
            encode(texts, add_special_tokens=False)
            best = max(best, size / (time.perf_counter() - start) / 1e6)
    return best


def ask(args, env):
    done = subprocess.run(args, env=os.environ | env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{args[0]}: {done.stderr or done.stdout}")
    return done.stdout


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--texts", nargs="+", required=True, help="JSONL files with a field text, plain or .gz")
    p.add_argument("--tokenizers", nargs="+", required=True, help="tokenizer.json files")
    p.add_argument("--megabytes", type=float, default=2, help="of each file of texts")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--repeat", type=int, default=2, help="of each measurement in a round; the best counts")
    p.add_argument("--run-with", default="", metavar="COMMAND", help='put before what is measured, such as "chrt -f 20" on a busy machine')
    p.add_argument("--library", metavar="TOKENIZER", help=argparse.SUPPRESS)  # the process that measures the library
    a = p.parse_args()
    if a.library:
        print(library(a.library, json.loads(pathlib.Path(a.texts[0]).read_text()), a.repeat))
        return
    import tokenizers

    prefix = shlex.split(a.run_with)
    one = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "GOMAXPROCS": "1"}
    with tempfile.TemporaryDirectory() as scratch:
        binary = os.path.join(scratch, "bench")
        ask(["go", "test", "-c", "-o", binary, str(HERE.parent)], {})
        print(f"one thread, MB/s of text; tokenizers {tokenizers.__version__}; {a.rounds} rounds")
        print(f"{'texts':24} {'tokenizer':28} {'library':>8} {'a3':>8} {'ratio':>7}")
        for source in a.texts:
            path = os.path.join(scratch, "texts.json")
            pathlib.Path(path).write_text(json.dumps(read_texts(source, a.megabytes)))
            for tokenizer in a.tokenizers:
                theirs, ours = [], []
                for _ in range(a.rounds):
                    out = ask([*prefix, sys.executable, __file__, "--library", tokenizer, "--texts", path, "--tokenizers", tokenizer, "--repeat", str(a.repeat)], one)
                    theirs.append(float(out))
                    out = ask([*prefix, binary, "-test.run=^$", "-test.bench=^BenchmarkTexts$", f"-test.count={a.repeat}", "-test.benchtime=300ms"],
                              one | {"A3_BENCH_TEXTS": path, "A3_BENCH_TOKENIZER": os.path.abspath(tokenizer)})
                    ours.append(max(float(x) for x in re.findall(r"([\d.]+) MB/s", out)))
                ratio = statistics.median(o / t for o, t in zip(ours, theirs))
                print(f"{pathlib.Path(source).name:24} {pathlib.Path(tokenizer).name:28} {statistics.median(theirs):8.2f} {statistics.median(ours):8.1f} {ratio:6.1f}x", flush=True)


if __name__ == "__main__":
    main()
