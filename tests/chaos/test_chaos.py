"""One seed, played whole: storm and quake through the deployment while it is broken (`make chaos` plays more)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.network import namespaces_missing
from tests.chaos.results import ROOT, read_all
from tests.servers.base import ServerMissing, refuse_or_skip
from tests.servers.kafka import kafka_jars

SEED = 1


@pytest.mark.alone
@pytest.mark.timeout(1500)
def test_a_seed_of_faults_loses_nothing_and_tells_nobody_twice(tmp_path: Path) -> None:
    why_not = namespaces_missing()
    if why_not is not None:
        refuse_or_skip(ServerMissing(why_not))
    try:
        kafka_jars()
    except ServerMissing as error:
        refuse_or_skip(error)
    words = [sys.executable, "-m", "tests.chaos", "--seed", str(SEED), "--results", str(tmp_path / "results")]
    done = subprocess.run(
        [*words, "--keep", str(tmp_path / "run")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    (result,) = read_all(tmp_path / "results")
    assert result.acknowledged == result.readings
    assert result.logged == result.readings
    assert result.alerts > 50
    assert result.told > 50
    assert len(result.faults) == 10
