"""Measures. `python -m tests.benchmarks` runs all parts, `python -m tests.benchmarks kernel` only that one.

Every part is a module of this package with `report() -> str`, a table in Markdown.
"""

from __future__ import annotations

import argparse
from importlib import import_module

PARTS = {
    "kernel": "tests.benchmarks.kernel",
    "restarts": "tests.benchmarks.restarts",
    "landscape": "tests.benchmarks.landscape",
    "hidden_markov": "tests.benchmarks.hidden_markov",
    "selection": "tests.benchmarks.selection",
    "pictures": "tests.benchmarks.pictures",
    "browser": "tests.benchmarks.browser",
    "server": "tests.benchmarks.server",
}


def main() -> None:
    """Print the report of each part that the command line names, or of all."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure EM Lab.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of: {', '.join(PARTS)} (all if none is named)")
    chosen = parser.parse_args().parts or list(PARTS)
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for part in chosen:
        print(import_module(PARTS[part]).report(), flush=True)


if __name__ == "__main__":
    main()
