"""Rain: what fell at each gauge, graded by the rainstorm signals; its sums go on to the flash-flood rule."""

from detectors.rain.parameters import RainParameters, Signal
from detectors.rain.signal import RainSignal
from detectors.rain.totals import RainTotals

__all__ = ["RainParameters", "RainSignal", "RainTotals", "Signal"]
