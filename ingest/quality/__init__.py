"""Quality: which readings are good, which are repeats, and which instruments are sick. Pure; no room of I/O."""

from ingest.quality.parameters import QualityParameters
from ingest.quality.stage import Quality

__all__ = ["Quality", "QualityParameters"]
