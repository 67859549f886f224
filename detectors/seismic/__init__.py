"""Seismic: picks of single stations, and earthquakes from the picks of many."""

from detectors.seismic.event import SeismicEvent
from detectors.seismic.items import Motion, Pick
from detectors.seismic.parameters import SeismicParameters
from detectors.seismic.pick import SeismicPick

__all__ = ["Motion", "Pick", "SeismicEvent", "SeismicParameters", "SeismicPick"]
