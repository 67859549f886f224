"""Picker: ratios of short to long averages of the energy, triggers, and the onset by Akaike's criterion.

Source  obspy `signal/trigger.py` (classic and recursive STA/LTA, trigger_onset, aic_simple after Maeda 1985), re-written
        from its description; test vectors from the same
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Samples = NDArray[np.float64]
_TINY = 1e-300


def classic_sta_lta(samples: Samples, nsta: int, nlta: int) -> Samples:
    """Ratio of the mean energies of the last `nsta` and `nlta` samples, (n,); 0 before `nlta` samples."""
    total = np.concatenate([np.zeros(1), np.cumsum(samples * samples)])
    ratio = np.zeros(len(samples))
    ends = np.arange(nlta, len(samples) + 1)
    sta = (total[ends] - total[ends - nsta]) / nsta
    lta = (total[ends] - total[ends - nlta]) / nlta
    ratio[nlta - 1 :] = sta / np.maximum(lta, _TINY)
    return ratio


def recursive_sta_lta(samples: Samples, nsta: int, nlta: int) -> Samples:
    """Ratio of two exponential averages of the energy, both begun at nothing, (n,); 0 for the first `nlta`."""
    energy = samples * samples
    energy[0] = 0.0

    def mean(n: int) -> Samples:
        return np.asarray(lfilter([1.0 / n], [1.0, 1.0 / n - 1.0], energy))

    ratio = mean(nsta) / np.maximum(mean(nlta), 1e-99)
    ratio[:nlta] = 0.0
    return np.asarray(ratio)


def running_mean(energy: Samples, n: int, count: int, carry: float) -> tuple[Samples, float]:
    """Recursive average that begins as the plain mean of what there is, so that it is unbiased from the start.

    Parameters
    ----------
    energy
        The next k values, (k,).
    n
        Length of the average; from the n-th value on, the recursive average.
    count
        Values taken before these.
    carry
        What the last call returned beside the averages; 0 at first.

    Returns
    -------
    means : (k,)
        The average after each value.
    carry
        For the next call. Any cut of a series into calls gives the same bits.
    """
    means = np.empty(len(energy))
    head = min(max(n - count, 0), len(energy))
    if head:
        totals = np.cumsum(np.concatenate([np.array([carry]), energy[:head]]))[1:]
        means[:head] = totals / np.arange(count + 1, count + head + 1)
        carry = float(means[head - 1] if count + head == n else totals[-1])
    if head < len(energy):
        keep = 1.0 - 1.0 / n
        tail, _ = lfilter([1.0 / n], [1.0, -keep], energy[head:], zi=np.array([keep * carry]))
        means[head:] = tail
        carry = float(tail[-1])
    return means, carry


def trigger_onset(ratio: Samples, on: float, off: float) -> list[tuple[int, int]]:
    """Triggers as (first sample above `on`, last sample above `off`)."""
    found: list[tuple[int, int]] = []
    start = 0
    while True:
        above = np.flatnonzero(ratio[start:] > on)
        if not len(above):
            return found
        first = start + int(above[0])
        below = np.flatnonzero(ratio[first:] <= off)
        last = first + int(below[0]) - 1 if len(below) else len(ratio) - 1
        found.append((first, last))
        start = last + 1


def akaike(samples: Samples) -> Samples:
    """Akaike's information of a cut after each sample into two quiet halves, (n,), n >= 3.

    `out[i] = (i+1) ln var(a[:i+1]) + (n-i-2) ln var(a[i+1:])` for 1 <= i <= n-2; the first is infinite, the
    last repeats the one before it.
    """
    n = len(samples)
    centred = samples - samples.mean()
    total = np.cumsum(centred)
    square = np.cumsum(centred * centred)
    i = np.arange(1, n - 1)
    left_n, right_n = i + 1.0, n - i - 1.0
    left = square[i] / left_n - (total[i] / left_n) ** 2
    right = (square[-1] - square[i]) / right_n - ((total[-1] - total[i]) / right_n) ** 2
    out = np.empty(n)
    out[1:-1] = left_n * np.log(np.maximum(left, _TINY)) + (n - i - 2.0) * np.log(np.maximum(right, _TINY))
    out[0] = np.inf
    out[-1] = out[-2]
    return out


def akaike_onset(samples: Samples) -> int:
    """Index of the last quiet sample: the least of `akaike`, not at the very rim."""
    return int(np.argmin(akaike(samples)[2:-2])) + 2


def power_share_above(signal: Samples, rate_hz: float, frequency_hz: float) -> float:
    """Share of the power of a short signal, less its mean and tapered, that lies above a frequency, 0 to 1."""
    power = np.abs(np.fft.rfft((signal - signal.mean()) * np.hanning(len(signal)))) ** 2
    high = np.fft.rfftfreq(len(signal), 1.0 / rate_hz) > frequency_hz
    total = float(power.sum())
    return float(power[high].sum()) / total if total > 0 else 0.0


def is_spike(signal: Samples) -> bool:
    """Whether a signal is all in fewer than four samples: electronics, not ground."""
    size = np.abs(signal - np.median(signal))
    return int(np.count_nonzero(size > 0.1 * size.max())) < 4
