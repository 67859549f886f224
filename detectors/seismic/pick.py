"""Pick: P onsets of single stations, their first amplitudes, and the strongest motion of each second.

In      seismic packets (samples of one channel a row)
Out     `seismic.pick` findings of level 0; `Pick` and `Motion` items for the network stage
State   one row a station; layout 1
Source  STA/LTA and Akaike's criterion (`picker`), P amplitudes (`magnitude`); thresholds in `SeismicParameters`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.base import Marks, check_version, figure
from detectors.seismic.filters import too_slow
from detectors.seismic.items import Motion, Pick
from detectors.seismic.motion import KeptSeconds, Peak, Seconds
from detectors.seismic.parameters import SeismicParameters
from detectors.seismic.stream import MARKS_S, KeptStream, Piece, Stream, Told
from schemas.bundle import Bundle
from schemas.finding import Finding, make_finding
from schemas.hazard import Hazard
from schemas.packet import FAIL, MISSING, UNITS, Packet
from schemas.stage import Emitted
from schemas.station import Station
from schemas.times import Micros, rfc3339, seconds

_CLIP_RUN = 3
_CLIP_SHARE = 0.95


class _Kept(msgspec.Struct):
    streams: dict[str, KeptStream]
    seconds: KeptSeconds
    picks: int
    findings: int
    gained: bool
    pga_m_s2: float
    pgv_m_s: float


class _Instrument:
    """State of one station."""

    def __init__(self, channels: list[str]) -> None:
        self.streams: dict[str, Stream] = {}
        self.seconds = Seconds(channels)
        self.picks = 0
        self.findings = 0
        self.gained = True
        self.pga_m_s2 = 0.0
        self.pgv_m_s = 0.0


class SeismicPick:
    """Pick the samples of many stations, row by row."""

    name, state_version = "seismic.pick", 1
    kinds = frozenset({"seismic"})

    def __init__(self, parameters: SeismicParameters, bundle: Bundle) -> None:
        self.parameters = parameters
        self.bundle = bundle
        self._instruments: dict[str, _Instrument] = {}
        self._marks = Marks()

    def process(self, packet: Packet, now: Micros) -> list[Emitted]:
        """Take n rows of samples; picks and seconds, in order of the rows that completed them."""
        emitted: list[Emitted] = []
        for i in range(len(packet)):
            if packet.counts[i] and packet.flag[i] != MISSING and len(packet.part("samples", i)):
                emitted += [Emitted(i, item) for item in self._row(packet, i)]
        return emitted

    def tick(self, now: Micros) -> list[Any]:
        """Nothing waits for time."""
        return []

    def next_due(self) -> Micros | None:
        """Never."""
        return None

    def _row(self, packet: Packet, i: int) -> list[Any]:
        station = self.bundle.stations[int(packet.row[i])]
        channel = packet.columns["channel"][i].decode()
        samples = packet.part("samples", i)
        rate_hz = float(packet.columns["sample_rate_hz"][i])
        if too_slow(rate_hz, self.parameters.band_low_hz):
            return []
        unit = UNITS[int(packet.columns["unit"][i])]
        instrument = self._instruments.get(station.id)
        if instrument is None:
            known = [str(c) for c in station.parameters.get("channels", ())]
            instrument = self._instruments[station.id] = _Instrument(known or [channel])
        scale, quantity = _scale(station, channel, unit)
        instrument.gained = scale is not None
        stream = instrument.streams.get(channel)
        if stream is None or abs(stream.rate_hz - rate_hz) > 0.02 * rate_hz or stream.quantity != quantity:
            stream = Stream(rate_hz, quantity, channel == _vertical(station, channel), self.parameters)
            instrument.streams[channel] = stream
        clipped = packet.flag[i] == FAIL or (
            unit == "count" and at_the_rail(samples, self.parameters.full_scale_counts)
        )
        told, moved = stream.take(Piece(int(packet.observed_us[i]), samples * (scale or 1.0), bool(clipped)))
        self._marks.touch(station.id)
        items: list[Any] = []
        for piece in moved:
            for peak in instrument.seconds.take(channel, piece):
                items.append(_motion(station.id, instrument, peak))
        for pick in told:
            items += self._told(station, channel, instrument, pick)
        return items

    def _told(self, station: Station, channel: str, instrument: _Instrument, told: Told) -> list[Any]:
        if told.window_s == 0:
            instrument.picks += 1
            instrument.pga_m_s2 = instrument.pgv_m_s = 0.0
        known = instrument.gained and told.pd_m is not None
        pick = Pick(
            station.id,
            channel,
            instrument.picks,
            told.picked_us,
            told.sigma_s,
            told.ratio,
            told.window_s,
            100.0 * told.pd_m if known and told.pd_m is not None else None,
            100.0 * told.noise_m if known and told.noise_m is not None else None,
            told.tau_c_s,
            told.clipped,
        )
        if told.window_s not in (0.0, MARKS_S[-1]):
            return [pick]
        return [self._finding(station, instrument, pick), pick]

    def _finding(self, station: Station, instrument: _Instrument, pick: Pick) -> Finding:
        instrument.findings += 1
        evidence: dict[str, Any] = {
            "phase": "P",
            "picked_at": rfc3339(pick.picked_us),
            "picked_sigma_s": figure(pick.sigma_s, 3),
            "sta_lta": figure(pick.ratio, 1),
            "sta_lta_threshold": self.parameters.trigger_on,
        }
        if pick.window_s > 0:
            evidence["window_s"] = pick.window_s
            evidence["pd_cm"] = None if pick.pd_cm is None else figure(pick.pd_cm, 5)
            evidence["tau_c_s"] = None if pick.tau_c_s is None else figure(pick.tau_c_s, 2)
            if instrument.gained and not pick.clipped:
                evidence["pga_m_s2"] = figure(instrument.pga_m_s2, 5)
                evidence["pgv_m_s"] = figure(instrument.pgv_m_s, 6)
        return make_finding(
            hazard=Hazard.EARTHQUAKE,
            detector=self.name,
            level=0,
            area=station.area,
            stations=(station.id,),
            observed_us=pick.picked_us + seconds(pick.window_s),
            evidence=evidence,
            number=instrument.findings,
            subject=station.id,
            against=("波形限幅或未通过质量检验",) if pick.clipped else (),
            position=(station.lon, station.lat),
        )

    def changed(self) -> Mapping[str, bytes | None]:
        return {key: self._bytes(key) for key in self._marks.take()}

    def saved(self, token: Any) -> None:
        self._marks.saved()

    def state(self) -> Mapping[str, bytes]:
        return {key: self._bytes(key) for key in sorted(self._instruments)}

    def restore(self, state: Mapping[str, bytes]) -> None:
        for key, value in state.items():
            row = self.bundle.stations.row_of.get(key)
            if row is None:
                continue
            check_version(self.name, value, self.state_version)
            kept = msgspec.msgpack.decode(memoryview(value)[1:], type=_Kept)
            station = self.bundle.stations[row]
            instrument = _Instrument([])
            instrument.streams = {
                channel: Stream.unpack(stream, channel == _vertical(station, channel), self.parameters)
                for channel, stream in kept.streams.items()
            }
            instrument.seconds = Seconds.unpack(kept.seconds)
            instrument.picks, instrument.findings = kept.picks, kept.findings
            instrument.gained = kept.gained
            instrument.pga_m_s2, instrument.pgv_m_s = kept.pga_m_s2, kept.pgv_m_s
            self._instruments[key] = instrument

    def _bytes(self, key: str) -> bytes:
        of = self._instruments[key]
        kept = _Kept(
            {channel: stream.pack() for channel, stream in of.streams.items()},
            of.seconds.pack(),
            of.picks,
            of.findings,
            of.gained,
            of.pga_m_s2,
            of.pgv_m_s,
        )
        return bytes([self.state_version]) + msgspec.msgpack.encode(kept)


def _motion(station: str, instrument: _Instrument, peak: Peak) -> Motion:
    instrument.pga_m_s2 = max(instrument.pga_m_s2, peak.acceleration)
    instrument.pgv_m_s = max(instrument.pgv_m_s, peak.velocity)
    known = instrument.gained
    return Motion(
        station,
        peak.until_us,
        peak.acceleration if known else None,
        peak.velocity if known else None,
        peak.components,
        peak.clipped,
    )


def _vertical(station: Station, channel: str) -> str:
    """The channel that is picked: the vertical of those that the station names, else the first of them.

    Where it names none, `channel` if that is a vertical; empty where it is not.
    """
    named = [str(known) for known in station.parameters.get("channels", ())] or [channel]
    verticals = [known for known in named if known[-1:] in ("Z", "3")]
    if verticals:
        return verticals[0]
    return named[0] if "channels" in station.parameters else ""


def _scale(station: Station, channel: str, unit: str) -> tuple[float | None, str]:
    """What turns samples into their quantity, and that quantity; None where no gain is known."""
    if unit != "count":
        return 1.0, unit
    gain = station.parameters.get("gain")
    if isinstance(gain, Mapping):
        gain = gain.get(channel)
    quantity = str(station.parameters.get("unit", "count"))
    if quantity not in ("m/s2", "m/s"):
        # SEED: the second letter of an accelerometer's channel is N; all others here measure velocity.
        return None, "m/s2" if channel[1:2] == "N" else "m/s"
    return (1.0 / float(gain), quantity) if gain else (None, quantity)


def at_the_rail(samples: NDArray[np.float64], full_scale_counts: float) -> bool:
    """Whether three equal samples in a row stand at 95 % of full scale or more."""
    high = np.abs(samples) >= _CLIP_SHARE * full_scale_counts
    if not high.any():
        return False
    run = high[_CLIP_RUN - 1 :].copy()
    for shift in range(1, _CLIP_RUN):
        run &= samples[_CLIP_RUN - 1 - shift : len(samples) - shift] == samples[_CLIP_RUN - 1 :]
    return bool(run.any())
