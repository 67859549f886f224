"""Landslide: velocity and tangential angle of monitored slopes; see `detectors.landslide.point`."""

from detectors.landslide.parameters import InstrumentParameters, LandslideParameters
from detectors.landslide.point import LandslidePoint

__all__ = ["InstrumentParameters", "LandslideParameters", "LandslidePoint"]
