"""Seismic stations, real records and made ones for tests."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.seismic.event import SeismicEvent
from detectors.seismic.parameters import SeismicParameters
from detectors.seismic.pick import SeismicPick
from ingest.decoders.mseed import decode_mseed
from ingest.packing import report_end
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.finding import Finding
from schemas.packet import PASS, UNITS, Packet, make_packet
from schemas.station import Station
from schemas.times import SECOND, to_micros
from schemas.wire import Seismic
from tests.detectors.contract import Drive

DATA = Path(__file__).parents[2] / "data" / "seismic"
START_US = to_micros(datetime(2026, 5, 12, 6, 28, tzinfo=UTC))
RATE_HZ = 100


def network(places: Mapping[str, tuple[float, float]], parameters: Mapping[str, Any]) -> Bundle:
    """A city whose every station stands in the middle of a county and township of its own."""
    areas = [Area("5119", "巴中市", Tier.CITY, None, 106.75, 31.86)]
    stations = []
    for k, (station, (lon, lat)) in enumerate(sorted(places.items())):
        county, township = f"5119{k:02d}", f"5119{k:02d}001"
        areas.append(Area(county, f"{station}县", Tier.COUNTY, "5119", lon, lat))
        areas.append(Area(township, f"{station}镇", Tier.TOWNSHIP, county, lon, lat))
        stations.append(Station(station, "seismic", station, lon, lat, None, township, (), dict(parameters)))
    return Bundle.of(areas=areas, stations=stations, policy={})


def real(name: str) -> tuple[Bundle, list[Packet]]:
    """The bundle and packets of a data set, in the order in which its samples ended."""
    with (DATA / name / "stations.csv").open() as file:
        places = {row["id"]: (float(row["lon"]), float(row["lat"])) for row in csv.DictReader(file)}
    bundle = network(places, {"channels": ["BNZ", "BN1", "BN2"], "gain": 100_000, "unit": "m/s2"})
    content = (DATA / name / "records.mseed").read_bytes()
    said = [item for item, _ in decode_mseed(content, name, lambda code: code.split(".")[1])]
    assert all(isinstance(item, Seismic) for item in said)
    return bundle, [packet_of(bundle, [item for item in said if isinstance(item, Seismic)])]


def packet_of(bundle: Bundle, said: Sequence[Seismic]) -> Packet:
    """One packet of readings that all passed."""
    return assessed(
        make_packet(
            "seismic",
            bundle.hash,
            [bundle.stations.row_of[s.station] for s in said],
            [to_micros(s.observed_at) for s in said],
            [report_end(s) for s in said],
            {
                "channel": [s.channel.encode() for s in said],
                "sample_rate_hz": [s.sample_rate_hz for s in said],
                "unit": [UNITS.index(s.unit) for s in said],
            },
            lengths=[len(s.samples) for s in said],
            parts={"samples": np.concatenate([np.asarray(s.samples) for s in said])},
        )
    )


def assessed(packet: Packet) -> Packet:
    return packet.assessed(np.full(len(packet), PASS, dtype=np.uint8), packet.counts)


def one_station(
    pieces: Sequence[tuple[int, NDArray[np.float64]]],
    bundle: Bundle,
    *,
    rate_hz: float = RATE_HZ,
    unit: str = "m/s2",
    channel: str = "HNZ",
    row: int = 0,
) -> Packet:
    """Pieces of (start, samples) of one channel, arriving in that order."""
    lengths = [len(samples) for _, samples in pieces]
    ends = [at + round(n * SECOND / rate_hz) for (at, _), n in zip(pieces, lengths, strict=True)]
    n = len(pieces)
    return assessed(
        make_packet(
            "seismic",
            bundle.hash,
            [row] * n,
            [at for at, _ in pieces],
            np.maximum.accumulate(np.array(ends)),
            {
                "channel": [channel.encode()] * n,
                "sample_rate_hz": [rate_hz] * n,
                "unit": [UNITS.index(unit)] * n,
            },
            lengths=lengths,
            parts={"samples": np.concatenate([samples for _, samples in pieces])},
        )
    )


def seconds_of(samples: NDArray[np.float64], rate_hz: int = RATE_HZ) -> list[tuple[int, NDArray[np.float64]]]:
    """A series cut into packets of a second."""
    return [
        (START_US + k * SECOND, samples[k * rate_hz : (k + 1) * rate_hz])
        for k in range(len(samples) // rate_hz)
    ]


def noise(duration_s: int, rms: float = 4e-5, seed: int = 1, rate_hz: int = RATE_HZ) -> NDArray[np.float64]:
    return rms * np.random.default_rng(seed).standard_normal(duration_s * rate_hz)


def burst(
    duration_s: int, at_s: float, length_s: float, frequency_hz: float, peak: float
) -> NDArray[np.float64]:
    """A tone that begins at once and dies away, (n,)."""
    time_s = np.arange(duration_s * RATE_HZ) / RATE_HZ - at_s
    wave = np.where(time_s >= 0, np.sin(2 * np.pi * frequency_hz * time_s) * np.exp(-time_s / length_s), 0.0)
    return peak * wave


def stages(bundle: Bundle, parameters: SeismicParameters | None = None) -> list[Any]:
    p = parameters or SeismicParameters()
    return [SeismicPick(p, bundle), SeismicEvent(p, bundle)]


def events(
    bundle: Bundle, packets: Sequence[Packet], parameters: SeismicParameters | None = None
) -> list[Finding]:
    """What the event stage finds, the packets driven as a pipeline would."""
    drive = Drive(stages(bundle, parameters))
    for packet in packets:
        drive.take(packet)
    return [finding for finding in drive.found if finding.detector == "seismic.event"]


def picked(bundle: Bundle, packet: Packet, parameters: SeismicParameters | None = None) -> list[Any]:
    """What the pick stage emits of one packet."""
    stage = SeismicPick(parameters or SeismicParameters(), bundle)
    return [emitted.item for emitted in stage.process(packet, int(packet.log_us[-1]))]
