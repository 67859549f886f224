"""The place that the tests of the simulator play in."""

from __future__ import annotations

from pathlib import Path

from runtime.simulate.place import Place

BAZHONG = Place.read(Path("deploy/bazhong"))
