"""The wire: readings decoded by msgspec, several times faster than by the models.

The same shapes and limits as `schemas.reading`; what this refuses is explained by that module. Only the
first four kinds have columns of their own; the others travel in packets as objects until their detectors come.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Moment = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Volts = Annotated[float, Meta(ge=-1000, le=1000)]
Millimetres = Annotated[float, Meta(ge=-1e6, le=1e6)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Degrees = Annotated[float, Meta(ge=0, le=360)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Tilt = Annotated[float, Meta(ge=-180, le=180)]
Value = Annotated[float, Meta(ge=-1e15, le=1e15)]
ShortText = Annotated[str, Meta(min_length=1, max_length=64)]
Url = Annotated[str, Meta(max_length=2000)]


class _Said(msgspec.Struct, tag_field="kind", gc=False, kw_only=True):
    observed_at: Moment
    sequence: Count | None = None
    battery_v: Volts | None = None
    signal_dbm: Volts | None = None
    received_at: Moment | None = None


class Rain(_Said, tag="rain", gc=False, kw_only=True):
    """See `schemas.reading.RainReading`."""

    station: ShortText
    interval_s: Annotated[float, Meta(ge=0.001, le=31 * 86400)]
    rain_mm: Annotated[float, Meta(ge=0, le=2000)]


class Landslide(_Said, tag="landslide", kw_only=True):
    """See `schemas.reading.LandslideReading`."""

    station: ShortText
    displacement_mm: Millimetres | None = None
    crack_mm: Millimetres | None = None
    gnss_mm: tuple[Millimetres, Millimetres, Millimetres] | None = None
    tilt_deg: tuple[Tilt, Tilt] | None = None
    soil_moisture_pct: Percent | None = None
    pore_pressure_kpa: Annotated[float, Meta(ge=-1e4, le=1e5)] | None = None
    groundwater_m: Annotated[float, Meta(ge=-1e4, le=1e4)] | None = None

    def __post_init__(self) -> None:
        if (
            self.displacement_mm is None
            and self.crack_mm is None
            and self.gnss_mm is None
            and self.tilt_deg is None
            and self.soil_moisture_pct is None
            and self.pore_pressure_kpa is None
            and self.groundwater_m is None
        ):
            raise ValueError("a landslide reading needs at least one measured value")


class Seismic(_Said, tag="seismic", kw_only=True):
    """See `schemas.reading.SeismicReading`."""

    station: ShortText
    channel: Annotated[str, Meta(min_length=1, max_length=8, pattern=r"^[A-Z0-9_]+\Z")]
    sample_rate_hz: Annotated[float, Meta(ge=0.001, le=2000)]
    unit: Literal["m/s2", "m/s", "count"]
    samples: Annotated[
        list[Annotated[float, Meta(ge=-1e12, le=1e12)]], Meta(min_length=1, max_length=200_000)
    ]


class Detection(msgspec.Struct):
    """See `schemas.reading.Detection`."""

    label: Literal["smoke", "flame"]
    confidence: Fraction
    box: tuple[Fraction, Fraction, Fraction, Fraction]


class Camera(_Said, tag="camera", kw_only=True):
    """See `schemas.reading.CameraReading`."""

    station: ShortText
    azimuth_deg: Degrees
    field_of_view_deg: Annotated[float, Meta(gt=0, le=360)]
    detections: Annotated[list[Detection], Meta(max_length=1000)]
    max_temperature_c: Annotated[float, Meta(ge=-100, le=3000)] | None = None
    image_url: Url | None = None
    video_url: Url | None = None


class Weather(_Said, tag="weather", kw_only=True):
    """See `schemas.reading.WeatherReading`."""

    station: ShortText
    temperature_c: Annotated[float, Meta(ge=-90, le=70)] | None = None
    humidity_pct: Percent | None = None
    wind_speed_m_s: Annotated[float, Meta(ge=0, le=150)] | None = None
    wind_direction_deg: Degrees | None = None
    pressure_hpa: Annotated[float, Meta(ge=300, le=1200)] | None = None

    def __post_init__(self) -> None:
        if (
            self.temperature_c is None
            and self.humidity_pct is None
            and self.wind_speed_m_s is None
            and self.wind_direction_deg is None
            and self.pressure_hpa is None
        ):
            raise ValueError("a weather reading needs at least one measured value")


class Water(_Said, tag="water", kw_only=True):
    """See `schemas.reading.WaterReading`."""

    station: ShortText
    water_level_m: Annotated[float, Meta(ge=-500, le=9000)]
    discharge_m3_s: Annotated[float, Meta(ge=-1e6, le=1e6)] | None = None


class Report(_Said, tag="report", kw_only=True):
    """See `schemas.reading.ReportReading`."""

    station: ShortText
    category: Literal["flood", "landslide", "fire", "quake_felt", "other"]
    severity: Annotated[int, Meta(ge=0, le=4)]
    text: Annotated[str, Meta(max_length=4000)]
    reporter: ShortText


class Hotspot(_Said, tag="hotspot", kw_only=True):
    """See `schemas.reading.HotspotReading`."""

    station: ShortText
    position: tuple[Annotated[float, Meta(ge=-180, le=180)], Annotated[float, Meta(ge=-90, le=90)]]
    confidence: Fraction
    frp_mw: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    satellite: ShortText | None = None


class Measure(_Said, tag="measure", kw_only=True):
    """See `schemas.reading.MeasureReading`."""

    station: ShortText
    quantity: ShortText
    value: Value
    unit: Annotated[str, Meta(max_length=32)]
    depth_m: Annotated[float, Meta(ge=-12000, le=12000)] | None = None


class Forecast(_Said, tag="forecast", kw_only=True, rename={"from_": "from"}):
    """See `schemas.reading.ForecastReading`."""

    area: ShortText
    from_: Moment
    until: Moment
    quantity: ShortText
    value: Value
    source: ShortText

    @property
    def station(self) -> str:
        """A forecast is keyed by its area where others are by their station."""
        return self.area


Said = Rain | Landslide | Seismic | Camera | Weather | Water | Report | Hotspot | Measure | Forecast

ONE: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)
MANY: msgspec.json.Decoder[list[Said]] = msgspec.json.Decoder(list[Said])
RAW: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
"""Cuts an array into its members without decoding them, so that one bad member spoils no other."""
ENCODER = msgspec.json.Encoder()
"""Writes a reading as JSON again, with its tag; what it did not say is null."""
