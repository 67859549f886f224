"""Forest fire: smoke and flame before cameras, and where their bearings cross.

`detectors.fire.sighting` follows each camera, `detectors.fire.fix` weighs several together.
"""

from detectors.fire.fix import FireFix
from detectors.fire.parameters import FireParameters
from detectors.fire.sighting import FireSighting, Sighting

__all__ = ["FireFix", "FireParameters", "FireSighting", "Sighting"]
