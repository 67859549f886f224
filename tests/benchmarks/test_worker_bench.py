"""The worker's benchmark: its gauges say what a storm gives, and a checkpoint's age is what it seems from outside."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.bench_worker import Watched
from benchmarks.gauges import BEGIN_US, INTERVAL_US, packets, sweeps, write_configuration
from runtime.configuration.loading import load
from schemas.bundle import Bundle
from schemas.packet import merged

GAUGES, SWEEPS = 2000, 36


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("country")
    write_configuration(folder, GAUGES, "127.0.0.1:9092", "postgresql+psycopg://fenghuo@127.0.0.1/fenghuo")
    return load(folder).bundle


def test_the_country_has_one_log_and_gauges_in_every_township(country: Bundle) -> None:
    assert len(country.associations) == 1
    assert len({station.area for station in country.stations}) == 1000


def test_every_gauge_reports_each_interval_and_the_packets_are_in_order_of_arrival(country: Bundle) -> None:
    every = merged(list(sweeps(country, SWEEPS)))
    said = np.unique(np.stack([every.row, (every.observed_us - BEGIN_US) // INTERVAL_US]), axis=1)
    late = GAUGES * SWEEPS - said.shape[1]
    assert 0 <= late < 0.01 * GAUGES, "only what comes late after the last interval is missing"
    assert (np.diff(every.received_us) >= 0).all()
    assert (every.received_us > every.observed_us).all()
    assert len(every) > said.shape[1], "some come twice"


def test_most_gauges_stay_dry_and_some_cross_thresholds(country: Bundle) -> None:
    every = merged(list(sweeps(country, SWEEPS)))
    rain_um = every.columns["rain_um"]
    assert 0.005 < (rain_um > 0).mean() < 0.2
    assert np.bincount(every.row, weights=rain_um).max() > 50_000, "50 mm in less than 12 h"


def test_packets_cut_the_same_readings(country: Bundle) -> None:
    cut = merged(list(packets(country, 3, 500)))
    whole = merged(list(sweeps(country, 3)))
    assert (cut.row == whole.row).all()
    assert (cut.columns["rain_um"] == whole.columns["rain_um"]).all()


def test_a_checkpoint_is_as_old_as_the_first_thing_that_it_lacks() -> None:
    seen = Watched(
        at_s=[0.0, 1.0, 2.0, 3.0, 4.0],
        taken=[0, 0, 100, 200, 300],
        saved=[0, 0, 0, 100, 300],
        cpu_s=[0.0, 0.5, 1.0, 2.0, 3.0],
    )
    assert seen.ages_s() == [0.0, 1.0, 1.0, 0.0]
    assert (seen.seconds, seen.cpu_seconds) == (3.0, 2.5)
