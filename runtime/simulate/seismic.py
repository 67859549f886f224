"""Earthquakes and trucks: acceleration at strong-motion stations, in counts, only in triggered windows.

In      station positions (km), magnitude, hypocentre, chance
Out     windows of packets of 1 s, three channels, 100 Hz
Source  Brune's spectrum with path attenuation, shaped noise (stochastic method, Boore 2003, our own code); peaks set
        to lg Pd = -3.463 + 0.729 M - 1.374 lg R (DOMAIN 4.3) and to the PGA of GB 18306 (DOMAIN 4.4); travel
        times by the single layer of DOMAIN 4.2
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runtime.simulate.place import Floats
from runtime.simulate.writing import Block, opening, time_text
from schemas.times import SECOND, Micros

RATE_HZ = 100
P_KM_S, S_KM_S = 6.0, 3.46
CHANNELS: tuple[str, ...] = ("HNZ", "HNN", "HNE")
NOISE_M_S2 = 4e-5
"""Root mean square of the ground's unrest, m/s2: a quiet town's."""
_LOWEST_HZ = 0.08
"""Below this nothing is put in: accelerometers cannot tell it from their own drift."""
_CENTRAL_PGA = ((2.417, 0.498, -2.079, 2.802, 0.295), (1.715, 0.471, -1.723, 1.295, 0.331))


@dataclass(frozen=True)
class Quake:
    """An earthquake; `position_km` east and north of the place's origin."""

    origin_us: Micros
    position_km: tuple[float, float]
    depth_km: float
    magnitude: float


def peak_displacement_cm(magnitude: float, hypocentral_km: float) -> float:
    """Peak of the first 3 s of P, vertical, cm (Wu & Zhao 2006)."""
    return float(10 ** (-3.463 + 0.729 * magnitude - 1.374 * np.log10(hypocentral_km)))


def peak_acceleration_m_s2(magnitude: float, epicentral_km: float) -> float:
    """Peak ground acceleration, m/s2: geometric mean of both axes, Central zone, M up to 6.5 (GB 18306)."""
    logs = [
        a + b * magnitude + c * np.log10(epicentral_km + d * np.exp(e * magnitude))
        for a, b, c, d, e in _CENTRAL_PGA
    ]
    return float(10 ** (sum(logs) / len(logs)) / 100)


def corner_hz(magnitude: float, speed_km_s: float, drop_bar: float = 50.0) -> float:
    """Brune's corner frequency, Hz."""
    moment_dyne_cm = 10 ** (1.5 * magnitude + 16.05)
    return float(4.9e6 * speed_km_s * (drop_bar / moment_dyne_cm) ** (1 / 3))


class Windows:
    """Triggered windows of seismic packets, made ready as lines."""

    def __init__(self) -> None:
        self._packets: list[tuple[Micros, bytes]] = []

    def add(self, station: str, gain: float, start_us: Micros, ground_m_s2: Floats) -> None:
        """A window of one station: ground acceleration, shape (3, whole seconds * RATE_HZ)."""
        counts = np.rint(ground_m_s2 * gain).astype(np.int64)
        head = opening("seismic", station)
        for second in range(counts.shape[1] // RATE_HZ):
            at_us = start_us + second * SECOND
            last_us = at_us + SECOND - SECOND // RATE_HZ
            for channel, samples in zip(CHANNELS, counts, strict=True):
                part = samples[second * RATE_HZ : (second + 1) * RATE_HZ].tolist()
                body = (
                    f'","channel":"{channel}","sample_rate_hz":{RATE_HZ},"unit":"count","samples":'
                    f"[{','.join(map(str, part))}]"
                )
                self._packets.append((last_us, head + time_text(at_us) + body.encode()))

    def block(self, start_us: Micros, stop_us: Micros) -> Block:
        """See `Source`."""
        packets = sorted((p for p in self._packets if start_us <= p[0] < stop_us), key=lambda p: p[0])
        return Block(np.array([at for at, _ in packets], dtype=np.int64), [body for _, body in packets])


def unrest(seconds: int, chance: np.random.Generator) -> Floats:
    """Ground noise, m/s2, shape (3, samples): coloured, strongest at 1 to 10 Hz, as near towns."""
    count = seconds * RATE_HZ
    frequency = _frequencies_hz(count)
    colour = _above(frequency, 0.5) / (1 + (frequency / 12) ** 2)
    noise = np.fft.irfft(np.fft.rfft(chance.standard_normal((3, count))) * colour, count)
    scale = NOISE_M_S2 * chance.uniform(0.6, 1.6) / noise.std()
    return np.asarray(noise * scale, dtype=np.float64)


def shaking(
    quake: Quake, station_km: Floats, start_us: Micros, seconds: int, chance: np.random.Generator
) -> Floats:
    """Acceleration of a quake at one station, noise included, m/s2, shape (3, samples)."""
    ground = unrest(seconds, chance)
    count = ground.shape[1]
    away_km = float(np.hypot(station_km[0] - quake.position_km[0], station_km[1] - quake.position_km[1]))
    path_km = float(np.hypot(away_km, quake.depth_km))
    time_s = (start_us - quake.origin_us) / SECOND + np.arange(count) / RATE_HZ
    # Local ground makes a station's peaks differ by some tens of per cent.
    site = float(10 ** (0.08 * chance.standard_normal()))

    wave = _burst(quake, time_s - path_km / P_KM_S, path_km, P_KM_S, chance)
    early = (time_s >= path_km / P_KM_S) & (time_s < path_km / P_KM_S + 3)
    reached_cm = float(np.abs(_displacement_m(wave)[0, early]).max(initial=0.0)) * 100
    if reached_cm > 0:
        ground += (
            wave
            * np.array([[1.0], [0.4], [0.4]])
            * site
            * peak_displacement_cm(quake.magnitude, path_km)
            / reached_cm
        )

    wave = _burst(quake, time_s - path_km / S_KM_S, path_km, S_KM_S, chance) * np.array([[0.5], [1.0], [1.0]])
    reached_m_s2 = float(np.sqrt((wave**2).sum(axis=0)).max(initial=0.0))
    if reached_m_s2 > 0:
        ground += wave * site * peak_acceleration_m_s2(quake.magnitude, away_km) / reached_m_s2
    return ground


def truck(seconds: int, peak_m_s2: float, chance: np.random.Generator) -> Floats:
    """A passing truck, noise included, m/s2, shape (3, samples): 6 to 16 Hz, swelling and fading."""
    count = seconds * RATE_HZ
    time_s = np.arange(count) / RATE_HZ
    frequency = _frequencies_hz(count)
    colour = np.exp(-0.5 * ((frequency - chance.uniform(8, 13)) / 2.5) ** 2)
    wave = np.fft.irfft(np.fft.rfft(chance.standard_normal((3, count))) * colour, count)
    wave *= np.exp(-0.5 * ((time_s - seconds / 2) / chance.uniform(2.5, 4.5)) ** 2)
    return unrest(seconds, chance) + np.asarray(wave * (peak_m_s2 / np.abs(wave).max()), dtype=np.float64)


def _burst(
    quake: Quake, since_s: Floats, path_km: float, speed_km_s: float, chance: np.random.Generator
) -> Floats:
    """Acceleration of one phase before its peak is set, shape (3, samples); zero before it arrives."""
    source_s = 1 / corner_hz(quake.magnitude, S_KM_S)
    full_s = source_s + 0.05 * path_km
    shape = np.where(since_s > 0, np.minimum(1, since_s / (0.15 * source_s)), 0)
    shape = shape * np.where(since_s > full_s, np.exp(-(since_s - full_s) / (0.5 * full_s + 3)), 1)
    frequency = _frequencies_hz(len(since_s))
    corner = corner_hz(quake.magnitude, speed_km_s)
    brune = frequency**2 / (1 + (frequency / corner) ** 2)
    path = np.exp(-np.pi * frequency * (path_km / (speed_km_s * 300) + 0.03))
    noise = chance.standard_normal((3, len(since_s))) * shape
    wave = np.fft.irfft(np.fft.rfft(noise) * brune * path * _above(frequency, _LOWEST_HZ), len(since_s))
    # Filtering smears a little before the arrival; the ground is still until then.
    return np.where(since_s >= 0, wave, 0.0) * np.clip(since_s / 0.05, 0, 1)


def _displacement_m(acceleration_m_s2: Floats) -> Floats:
    count = acceleration_m_s2.shape[1]
    frequency = _frequencies_hz(count)
    turn = (2 * np.pi * np.maximum(frequency, _LOWEST_HZ)) ** 2
    spectrum = -np.fft.rfft(acceleration_m_s2) / turn * _above(frequency, _LOWEST_HZ)
    return np.asarray(np.fft.irfft(spectrum, count), dtype=np.float64)


def _frequencies_hz(count: int) -> Floats:
    return np.asarray(np.fft.rfftfreq(count, 1 / RATE_HZ), dtype=np.float64)


def _above(frequency_hz: Floats, corner_hz: float) -> Floats:
    ratio = (frequency_hz / corner_hz) ** 4
    return np.asarray(ratio / (1 + ratio), dtype=np.float64)


def gains(parameters: Sequence[dict[str, object]]) -> list[float]:
    """Counts per m/s2 of stations by their parameters; 1e6 where a station does not say."""
    return [float(str(p.get("gain", 1e6))) for p in parameters]
