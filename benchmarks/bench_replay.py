"""Replay of a storm day on one core, against bare msgspec decoding of the same lines."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ratio import Ratio, compare, ready
from runtime.configuration.loading import load
from runtime.replay.readings import replay
from runtime.simulate.place import Place
from runtime.simulate.scenarios import SCENARIOS
from runtime.simulate.writing import write_readings
from schemas.wire import ONE

BAZHONG = Path(__file__).resolve().parents[1] / "deploy" / "bazhong"


def ratios() -> Iterator[Ratio]:
    """Yield one ratio: the whole chain (quality, detectors, alerts, notices) by decoding alone."""
    bundle = load(BAZHONG).bundle
    with tempfile.TemporaryDirectory() as folder:
        made = SCENARIOS["storm"](Place.read(BAZHONG), 1)
        path = Path(folder) / "readings.jsonl"
        with path.open("wb") as file:
            write_readings(file, made.sources, made.start_us, made.stop_us, made.delivery)
        lines = path.read_bytes().splitlines()
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        try:
            yield compare(
                "replay of a storm by msgspec decoding, one core",
                "readings",
                len(lines),
                ours=ready(lambda: replay([path], bundle)),
                bare=ready(lambda: [ONE.decode(line) for line in lines]),
                rounds=3,
            )
        finally:
            os.sched_setaffinity(0, cores)
