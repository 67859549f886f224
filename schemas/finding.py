"""Findings: what a detector concluded, with the figures that led to it, for and against."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from schemas.hazard import Hazard
from schemas.ids import finding_id
from schemas.times import Micros, Time, from_micros, to_micros

Evidence = dict[str, Any]


class Finding(BaseModel):
    """One conclusion about one subject (a station, a township, an event) at one time.

    A finding states the level at which its subject stands *from now on*: detectors speak at each rise and
    fall, and a fall is spoken only when the hold time is over (EXACT: levels). Level 0 ends what the
    subject held up. `against` holds what speaks against it, and every finding of level 1 or higher has the
    threshold beside the measured figure.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    hazard: Hazard
    detector: str
    level: Annotated[int, Field(ge=0, le=4)]
    area: str
    stations: tuple[str, ...]
    observed_at: Time
    evidence: Evidence
    against: tuple[str, ...] = ()
    position: tuple[float, float] | None = None
    subject: str

    @property
    def observed_us(self) -> Micros:
        """`observed_at` in microseconds."""
        return to_micros(self.observed_at)


class Forward(NamedTuple):
    """A finding that another association area is to know: to be appended to that area's log.

    Attributes
    ----------
    area
        Code of the association area.
    at_us
        Log time at which it was found.
    """

    area: str
    finding: Finding
    at_us: Micros


def make_finding(
    *,
    hazard: Hazard,
    detector: str,
    level: int,
    area: str,
    stations: tuple[str, ...],
    observed_us: Micros,
    evidence: Evidence,
    number: int,
    subject: str,
    against: tuple[str, ...] = (),
    position: tuple[float, float] | None = None,
    mark: str = "",
) -> Finding:
    """A finding with its id.

    Parameters
    ----------
    number
        The running number that the detector keeps for this subject.
    subject
        What the level is about, unique within detector and hazard: a station id, an area code, an event id.
        The lifecycle keeps one level for each (detector, subject) and takes the highest.
    evidence
        Already rounded to the digits of its units.
    mark
        See `schemas.bundle.Bundle.mark`; only where several association areas could find the same thing.
    """
    return Finding(
        id=finding_id(detector, hazard, area, stations, level, observed_us, number, mark),
        hazard=hazard,
        detector=detector,
        level=int(level),
        area=area,
        stations=stations,
        observed_at=from_micros(observed_us),
        evidence=evidence,
        against=against,
        position=position,
        subject=subject,
    )
