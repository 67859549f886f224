"""The parameters of a station: which there are for its kind, and what each may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from ingest.quality.parameters import Limits
from runtime.configuration.documents import sentence
from runtime.configuration.tables import Row, did_you_mean
from schemas.packet import COLUMNS

Check = Callable[[Any], str | None]
"""Says what a parameter should be, or None where it is right."""


def check_parameters(row: Row, kind: str, parameters: Mapping[str, Any]) -> None:
    """Name every parameter of a row that is unknown for its kind or out of bounds."""
    known = {**ANY_KIND, **OF_KIND.get(kind, {})}
    for name, value in parameters.items():
        if name not in known:
            hint = did_you_mean(name, [*known])
            row.fault(
                f"parameter {name} is unknown for kind {kind}{hint}; known are {', '.join(sorted(known))}."
            )
        elif (wanted := known[name](value)) is not None:
            row.fault(f"parameter {name} is {value!r}; write {wanted}.")
    _check_limits(row, kind, parameters.get("qc"))


def _check_limits(row: Row, kind: str, limits: Any) -> None:
    fields = QC_FIELDS.get(kind, ())
    for name, value in limits.items() if isinstance(limits, dict) else ():
        if name not in fields:
            known = f"; known are {', '.join(fields)}" if fields else ""
            row.fault(
                f"parameter qc.{name} limits nothing of kind {kind}{did_you_mean(name, fields)}{known}."
            )
            continue
        try:
            Limits.model_validate(value)
        except ValidationError as error:
            for detail in error.errors():
                row.fault(f"parameter {sentence(('qc', name, *detail['loc']), detail, Limits)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _positive(value: Any) -> str | None:
    return None if _is_number(value) and value > 0 else "a number above 0"


def _interval(value: Any) -> str | None:
    return None if value is None else _positive(value) and "a number of seconds above 0, or null (triggered)"


def _azimuth(value: Any) -> str | None:
    return None if _is_number(value) and 0 <= value <= 360 else "degrees from north, 0 to 360"


def _dip(value: Any) -> str | None:
    return None if _is_number(value) and 0 <= value <= 90 else "degrees below the horizontal, 0 to 90"


def _sectors(value: Any) -> str | None:
    right = isinstance(value, list) and all(
        isinstance(sector, list) and len(sector) == 2 and not any(map(_azimuth, sector)) for sector in value
    )
    return None if right else "a list of [from, to], degrees from north, clockwise"


def _gain(value: Any) -> str | None:
    gains = value.values() if isinstance(value, dict) and value else [value]
    return "counts per unit above 0, or an object of them by channel" if any(map(_positive, gains)) else None


def _channels(value: Any) -> str | None:
    right = isinstance(value, list) and value and all(isinstance(v, str) and len(v) == 3 for v in value)
    return None if right else 'a list of SEED codes such as ["HNZ", "HNN", "HNE"]'


def _ground_motion(value: Any) -> str | None:
    return None if value in ("m/s2", "m/s") else '"m/s2" or "m/s"'


def _object(value: Any) -> str | None:
    return None if isinstance(value, dict) else "an object of limits by field"


ANY_KIND: Mapping[str, Check] = {"interval_s": _interval, "qc": _object}
OF_KIND: Mapping[str, Mapping[str, Check]] = {
    "seismic": {"gain": _gain, "unit": _ground_motion, "channels": _channels},
    "landslide": {"slope_azimuth_deg": _azimuth, "slope_dip_deg": _dip, "v0_mm_day": _positive},
    "camera": {"height_m": _positive, "range_m": _positive, "masks": _sectors},
}
QC_FIELDS: Mapping[str, tuple[str, ...]] = {"rain": ("rain_mm",), "landslide": tuple(COLUMNS["landslide"])}
