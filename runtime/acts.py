"""Where an act belongs: into the log of the association area that keeps its alert, or of the area or station it names."""

from __future__ import annotations

from alerting.ledger import Ledger
from schemas.act import Act
from schemas.bundle import Bundle

WAIT_S = 5.0
"""How long whoever sent an act waits for the judgement before it is told that it will come."""
NOT_IN_THE_LOG = "the log cannot be written just now; send the same act again: it counts once"


def association_of(act: Act, ledger: Ledger, bundle: Bundle) -> str:
    """The association area whose log takes an act; the first where the act names nothing that there is."""
    if act.alert is not None:
        keeper = ledger.association_of_alert(act.alert)
        if keeper in bundle.associations:
            return keeper
        # It was kept by an association area that the configuration no longer has.
        versions = ledger.alert_versions(act.alert)
        area = versions[0].area if versions else None
    else:
        area = act.content.get("area")
    if isinstance(area, str) and area in bundle.areas:
        return bundle.association_of(area)
    station = act.content.get("station")
    home = bundle.home_of(station) if isinstance(station, str) else None
    return home or bundle.associations[0]
