"""Where an act belongs: into the log of the association area of its alert, or of the area that it names."""

from __future__ import annotations

from alerting.ledger import Ledger
from schemas.act import Act
from schemas.bundle import Bundle

WAIT_S = 5.0
"""How long whoever sent an act waits for the judgement before it is told that it will come."""
NOT_IN_THE_LOG = "the log cannot be written just now; send the same act again: it counts once"


def association_of(act: Act, ledger: Ledger, bundle: Bundle) -> str:
    """The association area whose log takes an act; the first where the act names no area that there is."""
    area = act.content.get("area")
    if act.alert is not None:
        versions = ledger.alert_versions(act.alert)
        area = versions[0].area if versions else None
    if isinstance(area, str) and area in bundle.areas:
        return bundle.association_of(area)
    return bundle.associations[0]
