"""Readings: what one station said at one time, as the models that outsiders see.

A tagged union by `kind`. The limits are what no instrument can measure; a payload beyond them is a
reject. What is merely odd for its station is a flag (`ingest.quality`). `schemas.wire` decodes the same
shapes on the hot path; `tests/schemas` shows that both accept and refuse the same payloads.

Source  rain limit: above every record of 24 h (1,825 mm, Foc-Foc 1966; China 1,062 mm); positions WGS 84
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from schemas.times import Time

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Percent = Annotated[float, Field(ge=0, le=100)]
Degrees = Annotated[float, Field(ge=0, le=360)]
Fraction = Annotated[float, Field(ge=0, le=1)]
StationId = Annotated[str, Field(min_length=1, max_length=64)]
ShortText = Annotated[str, Field(min_length=1, max_length=64)]
Url = Annotated[str, Field(max_length=2000)]
Position = tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]]
Millimetres = Annotated[float, Field(ge=-1e6, le=1e6)]
Tilt = Annotated[float, Field(ge=-180, le=180)]


class _Said(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    observed_at: Time
    sequence: Count | None = None
    battery_v: Annotated[float, Field(ge=-1000, le=1000)] | None = None
    signal_dbm: Annotated[float, Field(ge=-1000, le=1000)] | None = None
    received_at: Time | None = None


class _FromStation(_Said):
    station: StationId


class _AtLeastOne(_FromStation):
    @model_validator(mode="after")
    def _says_something(self) -> _AtLeastOne:
        names = [n for n in type(self).model_fields if n not in _FromStation.model_fields and n != "kind"]
        if all(getattr(self, name) is None for name in names):
            raise ValueError(f"at least one of {', '.join(names)} is needed")
        return self


class RainReading(_FromStation):
    """Rain of the `interval_s` seconds that end at `observed_at`."""

    kind: Literal["rain"]
    interval_s: Annotated[float, Field(ge=0.001, le=31 * 86400)]
    rain_mm: Annotated[float, Field(ge=0, le=2000)]


class LandslideReading(_AtLeastOne):
    """What a landslide point measured; displacement and crack are cumulative, `gnss_mm` from the survey origin."""

    kind: Literal["landslide"]
    displacement_mm: Millimetres | None = None
    crack_mm: Millimetres | None = None
    gnss_mm: tuple[Millimetres, Millimetres, Millimetres] | None = None
    tilt_deg: tuple[Tilt, Tilt] | None = None
    soil_moisture_pct: Percent | None = None
    pore_pressure_kpa: Annotated[float, Field(ge=-1e4, le=1e5)] | None = None
    groundwater_m: Annotated[float, Field(ge=-1e4, le=1e4)] | None = None


class SeismicReading(_FromStation):
    """Samples of one channel; `observed_at` is the time of the first."""

    kind: Literal["seismic"]
    channel: Annotated[str, Field(min_length=1, max_length=8, pattern="^[A-Z0-9_]+$")]
    sample_rate_hz: Annotated[float, Field(ge=0.001, le=2000)]
    unit: Literal["m/s2", "m/s", "count"]
    samples: Annotated[
        list[Annotated[float, Field(ge=-1e12, le=1e12)]], Field(min_length=1, max_length=200_000)
    ]


class Detection(BaseModel):
    """One thing that a camera's model saw; `box` [x0, y0, x1, y1] as fractions of the image."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    label: Literal["smoke", "flame"]
    confidence: Fraction
    box: tuple[Fraction, Fraction, Fraction, Fraction]


class CameraReading(_FromStation):
    """What one camera saw in one frame; an empty list says that it looked and saw nothing."""

    kind: Literal["camera"]
    azimuth_deg: Degrees
    field_of_view_deg: Annotated[float, Field(gt=0, le=360)]
    detections: Annotated[list[Detection], Field(max_length=1000)]
    max_temperature_c: Annotated[float, Field(ge=-100, le=3000)] | None = None
    image_url: Url | None = None
    video_url: Url | None = None


class WeatherReading(_AtLeastOne):
    """Weather for fire danger and context."""

    kind: Literal["weather"]
    temperature_c: Annotated[float, Field(ge=-90, le=70)] | None = None
    humidity_pct: Percent | None = None
    wind_speed_m_s: Annotated[float, Field(ge=0, le=150)] | None = None
    wind_direction_deg: Degrees | None = None
    pressure_hpa: Annotated[float, Field(ge=300, le=1200)] | None = None


class WaterReading(_FromStation):
    """Stage of a river or reservoir."""

    kind: Literal["water"]
    water_level_m: Annotated[float, Field(ge=-500, le=9000)]
    discharge_m3_s: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None


class ReportReading(_FromStation):
    """What a person saw; `station` is the reporter's post."""

    kind: Literal["report"]
    category: Literal["flood", "landslide", "fire", "quake_felt", "other"]
    severity: Annotated[int, Field(ge=0, le=4)]
    text: Annotated[str, Field(max_length=4000)]
    reporter: ShortText


class HotspotReading(_FromStation):
    """A hot spot seen by satellite; `station` is the satellite product."""

    kind: Literal["hotspot"]
    position: Position
    confidence: Fraction
    frp_mw: Annotated[float, Field(ge=0, le=1e6)] | None = None
    satellite: ShortText | None = None


class MeasureReading(_FromStation):
    """Any other quantity; `unit` in UCUM."""

    kind: Literal["measure"]
    quantity: ShortText
    value: Annotated[float, Field(ge=-1e15, le=1e15)]
    unit: Annotated[str, Field(max_length=32)]
    depth_m: Annotated[float, Field(ge=-12000, le=12000)] | None = None


class ForecastReading(_Said):
    """What is forecast for an area; `observed_at` is when it was made."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, populate_by_name=True)

    kind: Literal["forecast"]
    area: Annotated[str, Field(min_length=1, max_length=64)]
    from_: Annotated[Time, Field(alias="from")]
    until: Time
    quantity: ShortText
    value: Annotated[float, Field(ge=-1e15, le=1e15)]
    source: ShortText


Reading = Annotated[
    RainReading
    | LandslideReading
    | SeismicReading
    | CameraReading
    | WeatherReading
    | WaterReading
    | ReportReading
    | HotspotReading
    | MeasureReading
    | ForecastReading,
    Field(discriminator="kind"),
]
READING: TypeAdapter[Reading] = TypeAdapter(Reading)
READINGS: TypeAdapter[list[Reading]] = TypeAdapter(list[Reading])


def explain(payload: bytes | str | dict[str, Any]) -> str | None:
    """Why one JSON object cannot be a reading: the field, the value and the rule; None where it can.

    Parameters
    ----------
    payload
        One JSON object, as text or already decoded.
    """
    try:
        value = msgspec.json.decode(payload) if isinstance(payload, bytes | str) else payload
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"not JSON: {error}"
    from pydantic import ValidationError

    try:
        READING.validate_json(msgspec.json.encode(value))
    except ValidationError as error:
        return "; ".join(_sentence(e) for e in error.errors(include_url=False)[:5])
    return None


def _sentence(error: Any) -> str:
    field = ".".join(str(part) for part in error["loc"][1:]) or "reading"
    value = repr(error.get("input"))
    return f"{field}: {error['msg']} (got {value if len(value) <= 80 else value[:77] + '...'})"
