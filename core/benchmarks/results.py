"""What a measurement hands on: one JSON list on standard output."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Result:
    """One number of a peer. The name is that of our measurement of the same work."""

    name: str
    threads: int
    value: float
    unit: str
    peer: str  # with its version
    note: str = ""


def write(results: list[Result]) -> None:
    """Prints the results as JSON."""
    json.dump([asdict(r) for r in results], sys.stdout, indent=2)
    print()
