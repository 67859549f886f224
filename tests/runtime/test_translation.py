"""A packet of another bundle counts that bundle's stations, not ours; a change of configuration loses no state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ingest.packing import Packer
from runtime.pipeline import Decisions, Pipeline
from runtime.translation import Translation
from schemas.alert import Status
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.log import ConfigurationRecord
from schemas.packet import PARTS, Packet, make_packet
from schemas.station import Station
from schemas.times import MINUTE, from_micros
from schemas.wire import Forecast, Rain

T = 1_784_300_040_000_000
CITY = "5119"


def station(name: str, kind: str = "rain") -> Station:
    return Station(name, kind, name, 106.7, 31.9, None, "511902")


def bundle_of(*stations: Station) -> Bundle:
    areas = [
        Area("5119", "市", Tier.CITY, None, 106.7, 31.9),
        Area("511902", "区", Tier.COUNTY, "5119", 106.7, 31.9),
    ]
    return Bundle.of(areas=areas, stations=stations, policy={}, status=Status.TEST)


OLD = bundle_of(station("R-1"), station("R-2"), station("R-3"))
NEW = bundle_of(station("R-0"), station("R-3"), station("R-2", "camera"), station("R-1"))
BUNDLES = {OLD.hash: OLD, NEW.hash: NEW}


def rain(bundle: Bundle, *names: str, at: int = T) -> Packet:
    packer = Packer(bundle)
    for name in names:
        said = Rain(station=name, observed_at=from_micros(at), interval_s=300, rain_mm=1.0)
        assert packer.add(said, at, "test") is None
    ((placed,),) = packer.take().values()
    return placed.packet


def test_rows_of_another_bundle_are_found_by_the_stations_ids() -> None:
    packet, order = rain(OLD, "R-1", "R-2", "R-3"), np.array([0, 2, 3])
    other, other_order = rain(NEW, "R-0"), np.array([1])
    translation = Translation(NEW, BUNDLES.__getitem__)
    (first, second), orders = translation.translate([packet, other], [order, other_order])
    assert [NEW.stations[row].id for row in first.row] == ["R-1", "R-3"]  # R-2 is a camera now
    assert [NEW.stations[row].id for row in second.row] == ["R-0"]
    assert {first.bundle, second.bundle} == {NEW.hash}
    assert [order.tolist() for order in orders] == [[0, 2], [1]]


def test_parts_and_texts_of_what_is_left_out_go_too() -> None:
    packet = make_packet(
        "camera",
        OLD.hash,
        [0, 1, 2],
        [T] * 3,
        [T] * 3,
        {},
        lengths=[1, 2, 0],
        parts={name: [0.1, 0.2, 0.3] for name in PARTS["camera"]},
        texts={"image_url": ["a", "b", "c"]},
    )
    only = packet.only(np.array([False, True, True]))
    assert [only.part("confidence", index).tolist() for index in range(2)] == [[0.2, 0.3], []]
    assert only.texts["image_url"] == ("b", "c")


def test_the_row_of_no_station_stays_that() -> None:
    packer = Packer(OLD)
    at = from_micros(T)
    said = Forecast(
        area="511902", observed_at=at, from_=at, until=at, quantity="rain_mm", value=1.0, source="x"
    )
    assert packer.add(said, T, "test") is None
    ((placed,),) = packer.take().values()
    (packet,), _ = Translation(NEW, BUNDLES.__getitem__).translate([placed.packet], [np.array([0])])
    assert packet.row.tolist() == [-1]


def test_an_unknown_bundle_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(KeyError):
        Pipeline(NEW, CITY, BUNDLES.__getitem__).process([replace(rain(OLD, "R-1"), bundle="unknown")])


def test_a_gateway_that_lags_behind_the_configuration_waters_the_right_gauge() -> None:
    lagging = Pipeline(NEW, CITY, BUNDLES.__getitem__)
    lagging.process([rain(OLD, "R-3"), rain(OLD, "R-1")])
    plain = Pipeline(NEW, CITY)
    plain.process([rain(NEW, "R-3"), rain(NEW, "R-1")])
    assert lagging.state() == plain.state()


def test_what_no_checkpoint_holds_survives_a_change_of_configuration() -> None:
    rows: dict[str, bytes] = {}
    pipeline = Pipeline(OLD, CITY, BUNDLES.__getitem__)

    def checkpoint() -> None:
        for key, value in pipeline.changed().items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        pipeline.saved(0)

    pipeline.process([rain(OLD, "R-1", "R-2")])
    checkpoint()
    pipeline.process(
        [rain(OLD, "R-1", "R-3", at=T + 5 * MINUTE), ConfigurationRecord(T + 6 * MINUTE, NEW.hash)]
    )
    checkpoint()
    again = Pipeline(NEW, CITY, BUNDLES.__getitem__)
    again.restore(rows)
    assert again.state() == pipeline.state()
    # Nothing of a station that is gone comes back with a later restart.
    assert rows.items() <= pipeline.state().items()


def test_a_forecast_is_no_stations_word() -> None:
    pipeline, before = Pipeline(OLD, CITY), Decisions()
    pipeline.process([rain(OLD, "R-3")])
    state = {key: value for key, value in pipeline.state().items() if key.startswith("silence/")}
    packer, at = Packer(OLD), from_micros(T + MINUTE)
    said = Forecast(
        area="511902", observed_at=at, from_=at, until=at, quantity="rain_mm", value=1.0, source="x"
    )
    assert packer.add(said, T + MINUTE, "test") is None
    ((placed,),) = packer.take().values()
    assert pipeline.process([placed.packet]) == before
    assert state == {key: value for key, value in pipeline.state().items() if key.startswith("silence/")}
