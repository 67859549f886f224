"""The runner: ratios of medians, untimed making ready, a table that names what it compares."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.__main__ import line, names
from benchmarks.ratio import Ratio, Way, Work, compare, compare_by, ready
from tests.house.tree import ROOT


def test_making_ready_and_clearing_away_are_not_timed() -> None:
    happened: list[str] = []

    def slow_to_make(name: str) -> Way:
        @contextmanager
        def way() -> Iterator[Work]:
            time.sleep(0.02)
            yield lambda: happened.append(name)
            time.sleep(0.02)

        return way

    ratio = compare("x", "things", 1000, slow_to_make("ours"), slow_to_make("bare"), rounds=3)
    assert happened == ["ours", "bare"] * 4, "in turn, and one round before those that count"
    assert min(ratio.ours_per_s, ratio.bare_per_s) > 1000 / 0.01


def test_ratio_is_ours_by_bare() -> None:
    ratio = compare(
        "x", "things", 100, ready(lambda: time.sleep(0.02)), ready(lambda: time.sleep(0.005)), rounds=3
    )
    assert 0.1 < ratio.ratio < 0.6
    assert ratio.ours_per_s < 100 / 0.02


def test_each_clock_gives_a_ratio_of_the_same_rounds() -> None:
    steps = iter(range(1000))
    ratios = compare_by(
        {"wall": time.perf_counter, "steps": lambda: float(next(steps))},
        "things",
        10,
        ready(lambda: [next(steps) for _ in range(3)]),
        ready(lambda: next(steps)),
        rounds=3,
    )
    assert [ratio.name for ratio in ratios] == ["wall", "steps"]
    assert (ratios[1].ours_per_s, ratios[1].bare_per_s) == (10 / 4, 10 / 2)


def test_a_line_shows_both_figures_and_the_ratio() -> None:
    assert line(Ratio("replay", "readings", 25_000, 2_000_000)).split() == [
        "replay",
        "25,000",
        "2,000,000",
        "0.013",
        "readings/s",
    ]


def test_an_unknown_name_is_refused_with_what_there_is() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nonsense"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"no benchmark nonsense; there are {', '.join(names())}" in done.stderr


@pytest.mark.parametrize("name", names())
def test_every_benchmark_says_what_it_compares(name: str) -> None:
    tree = ast.parse((ROOT / "benchmarks" / f"bench_{name}.py").read_text())
    assert "against" in (ast.get_docstring(tree) or "")
    assert "ratios" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
