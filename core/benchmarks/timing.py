"""Times as a3 bench takes them: a warm-up, then the median of repetitions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

BATCH = 1e-3  # seconds that a repetition takes at least: quick calls are timed together


def seconds_per_call(calls: Callable[[int], object], least: float, repeats: int = 3) -> float:
    """Returns the median seconds of one call.

    calls(n) does the work n times. After a warm-up, and as soon as it is known how many
    calls are timed together, repetitions go on for at least `least` seconds and `repeats` times.
    """

    def timed(n: int) -> float:
        return seconds_of(lambda: calls(n))

    n = 1
    calls(n)
    start = time.perf_counter()
    while (seconds := timed(n)) < BATCH:
        n *= 2
    samples = [seconds / n]
    while len(samples) < repeats or time.perf_counter() - start < least:
        samples.append(timed(n) / n)
    return statistics.median(samples)


def repeated(call: Callable[[], object]) -> Callable[[int], None]:
    """Returns the loop around a call, for calls that take long beside a loop of Python."""

    def calls(n: int) -> None:
        for _ in range(n):
            call()

    return calls


def seconds_of(call: Callable[[], object]) -> float:
    """Times one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
