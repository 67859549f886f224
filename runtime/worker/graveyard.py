"""Records of the topic `log` under a key that is no association area's: buried one by one, so that none holds up another.

A configuration that has just been put in force may bring a new association area: its first record names that
configuration, and with it the key becomes an area. `log.dead` has the others, with their positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alerting.ledger import UnknownBundle
from runtime import metrics
from schemas.bundle import Bundle
from schemas.log import Broken, ConfigurationRecord, Positioned
from schemas.packet import Packet


class Graveyard:
    """Stands where an association would, for a key that no configuration that we know has.

    Parameters
    ----------
    bury
        Keeps the reason why the record at a position is dead.
    load_bundle
        Finds the canonical bytes of a configuration by its hash; raises `UnknownBundle`.
    """

    def __init__(
        self, key: str, bury: Callable[[int, str], None], load_bundle: Callable[[str], bytes]
    ) -> None:
        self._key = key
        self._bury = bury
        self._load_bundle = load_bundle
        self.position = self.saved_position = 0

    def bury_until_known(self, records: Sequence[Positioned]) -> tuple[Bundle, Sequence[Positioned]] | None:
        """Bury records up to the first that names a configuration with this area.

        Returns
        -------
        tuple[Bundle, Sequence[Positioned]] | None
            That configuration, and the records from there on; None where all are buried.
        """
        for index, entry in enumerate(records):
            bundle = self._bundle_with_this_area(entry)
            if bundle is not None:
                return bundle, records[index:]
            reason = f"{self._key!r} is no association area of the configuration"
            if isinstance(entry.record, Broken):
                reason = f"{reason}, and {entry.record.reason}"
            metrics.log.error(
                "worker.dead_record key=%r position=%d reason=%s", self._key, entry.position, reason
            )
            self._bury(entry.position, reason)
            metrics.dead_records_total.inc()
            self.position = entry.position
        return None

    def checkpoint_is_due(self) -> bool:
        """Whether something was buried that is not acknowledged yet."""
        return self.position > self.saved_position

    def checkpoint(self) -> bool:
        """Take what was buried for done: its reasons are on their topic."""
        self.saved_position = self.position
        return True

    def _bundle_with_this_area(self, entry: Positioned) -> Bundle | None:
        if not isinstance(entry.record, Packet | ConfigurationRecord):
            return None
        try:
            bundle = Bundle(self._load_bundle(entry.record.bundle))
        except UnknownBundle:
            return None  # whoever puts a configuration in force stores it first
        return bundle if self._key in bundle.associations else None
