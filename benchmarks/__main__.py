"""Runs the benchmarks and prints their ratios: `python -m benchmarks [NAME...]`.

A benchmark is a file `bench_NAME.py` with a function `ratios()` that yields `Ratio`s; its docstring's first line says what
it compares.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path

from benchmarks.ratio import Ratio


def names() -> list[str]:
    """All benchmarks, by file."""
    return sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def line(ratio: Ratio) -> str:
    """One row of the table."""
    return f"{ratio.name:<48} {ratio.ours_per_s:>13,.0f} {ratio.bare_per_s:>13,.0f} {ratio.ratio:>7.3f}  {ratio.unit}/s"


def main(wanted: list[str]) -> int:
    """Run what is wanted, or all; 2 where a name is unknown."""
    unknown = [name for name in wanted if name not in names()]
    if unknown:
        print(
            f"no benchmark {', '.join(unknown)}; there are {', '.join(names()) or 'none yet'}",
            file=sys.stderr,
        )
        return 2
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores. Read the ratio: seconds are this machine's."
    )
    print(f"{'':<48} {'ours':>13} {'bare':>13} {'ratio':>7}")
    for name in wanted or names():
        for ratio in importlib.import_module(f"benchmarks.bench_{name}").ratios():
            print(line(ratio), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
