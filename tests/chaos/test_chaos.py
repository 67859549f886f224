"""One seed, played whole: storm and quake through the deployment while it is broken (`make chaos` plays more)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.network import namespaces_missing
from tests.chaos.results import ROOT, Result, read_all
from tests.servers.base import ServerMissing, refuse_or_skip
from tests.servers.kafka import kafka_jars

pytestmark = [pytest.mark.alone, pytest.mark.timeout(1500)]
SEED = 1


def played(folder: Path, *options: str) -> Result:
    """Play one seed in a program of its own, as `make chaos` does; its result."""
    why_not = namespaces_missing()
    try:
        kafka_jars()
    except ServerMissing as error:
        why_not = str(error)
    if why_not is not None:
        refuse_or_skip(ServerMissing(why_not))
    words = [sys.executable, "-m", "tests.chaos", "--seed", str(SEED), "--results", str(folder / "results")]
    done = subprocess.run([*words, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    (result,) = read_all(folder / "results")
    assert result.acknowledged == result.logged == result.readings
    assert result.alerts > 50
    assert result.told > 50
    return result


def test_a_seed_of_faults_loses_nothing_and_tells_nobody_twice(tmp_path: Path) -> None:
    assert len(played(tmp_path).faults) == 10


@pytest.mark.acceptance
def test_without_faults_the_chains_are_those_of_the_readings_replay(tmp_path: Path) -> None:
    assert not played(tmp_path, "--undisturbed").faults
