"""Parameters of the seismic detectors: the section `seismic` of a policy.

Source  DOMAIN figures: obspy's picking rules, Wu & Zhao 2006, GB 18306-2015, GB/T 17742-2020, the levels of the
        Yunnan Seismological Bureau; what no source fixes is marked [C] (our choice)
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]


class SeismicParameters(BaseModel):
    """Thresholds of picker, association, location, magnitude and levels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    band_low_hz: Positive = 2.0
    """Lower edge of the picker's band [C]."""
    band_high_hz: Positive = 10.0
    """Upper edge of the picker's band, lowered to 0.4 of the sample rate where that is less [C]."""
    sta_s: Positive = 0.5
    """Short average of the energy [C]."""
    lta_s: Positive = 10.0
    """Long average of the energy [C]."""
    trigger_on: Positive = 4.0
    """Ratio of the averages above which a trigger begins [C]."""
    trigger_off: Positive = 1.5
    """Ratio at or below which it ends."""
    warm_up_s: Positive = 5.0
    """No trigger so soon after a record begins; the long average needs a history [C]."""
    duration_min_s: Positive = 0.3
    """A trigger that is shorter is noise [C]."""
    frequency_max_hz: Positive = 20.0
    """A trigger whose energy lies higher is noise [C]."""
    gap_s: Positive = 0.1
    """Packets that miss each other by no more (or by one and a half samples) are one record [C]."""
    reorder_s: Positive = 2.0
    """How long a packet waits for an earlier one that is late [C]."""
    full_scale_counts: Positive = 8_388_608.0
    """Rail of the digitizer, 24 bit."""

    stations_min: Annotated[int, Field(ge=3)] = 4
    """Stations whose P picks must fit one source [C]."""
    stations_confirm: Annotated[int, Field(ge=1)] = 2
    """Stations that must still fit it `confirm_s` later, or the event is cancelled [C]."""
    confirm_s: Positive = 10.0
    """How long after it was opened an event must still have them [C]."""
    residual_max_s: Positive = 1.5
    """A pick that misses its predicted P by more is not used [C]."""
    misfit_max_s: Positive = 0.5
    """Mean residual of the picks used, above which a source is not believed [C]."""
    vp_km_s: Positive = 6.0
    """Velocity of P in the crust [C]."""
    vs_km_s: Positive = 3.46
    """Velocity of S in the crust [C]."""
    moho_km: Positive = 40.0
    """Depth of the head wave's layer; thickness of the crust under the basin's rim [C]."""
    pn_km_s: Positive = 8.0
    """Velocity of the head wave below the crust [C]."""
    depths_km: tuple[Positive, ...] = (5.0, 10.0, 15.0, 20.0)
    """Depths that are tried [C]."""
    search_radius_km: Positive = 200.0
    """How far from the stations an epicentre is looked for [C]."""

    pd_radius_km: Positive = 100.0
    """Farthest station whose P amplitude counts for the magnitude."""
    magnitude_min: float = 4.0
    """An event below has level 0 whatever the intensity (Yunnan: M 4.0 in the province)."""
    zone: Literal["auto", "central", "qinghai_tibet"] = "auto"
    """Attenuation of GB 18306-2015; auto: by the epicentre, west of Longmenshan or not."""

    blue_intensity: Annotated[int, Field(ge=1, le=12)] = 2
    """Intensity from which an area is blue."""
    yellow_intensity: Annotated[int, Field(ge=1, le=12)] = 3
    """Intensity from which an area is yellow."""
    orange_intensity: Annotated[int, Field(ge=1, le=12)] = 5
    """Intensity from which an area is orange."""
    red_intensity: Annotated[int, Field(ge=1, le=12)] = 7
    """Intensity from which an area is red."""

    update_s: Positive = 1.0
    """An event is graded at most that often."""
    settle_s: Positive = 10.0
    """A level given in an event's first seconds is not lowered by a revised magnitude before this [C]."""
    magnitude_step: Positive = 0.3
    """Change of the magnitude that is worth an update."""
    open_s: Positive = 180.0
    """How long after it was found an event takes up data."""

    border_km: Positive = 5.0
    """An association area no farther than this beyond the nearest keeps a quake that its station felt first [C]."""
    same_origin_s: Positive = 10.0
    """Two association areas' events are one quake if their origin times agree so well [C]."""
    same_epicentre_km: Positive = 50.0
    """… and their epicentres lie no farther apart [C]."""

    @model_validator(mode="after")
    def _in_order(self) -> SeismicParameters:
        bounds = (self.blue_intensity, self.yellow_intensity, self.orange_intensity, self.red_intensity)
        if not bounds[0] < bounds[1] < bounds[2] < bounds[3]:
            raise ValueError(
                f"seismic: intensities must rise from blue to red, these do not: {', '.join(map(str, bounds))}"
            )
        for low, high in (
            ("trigger_off", "trigger_on"),
            ("sta_s", "lta_s"),
            ("band_low_hz", "band_high_hz"),
            ("vs_km_s", "vp_km_s"),
            ("vp_km_s", "pn_km_s"),
        ):
            if not getattr(self, low) < getattr(self, high):
                raise ValueError(
                    f"seismic: {low} ({getattr(self, low)}) must be below {high} ({getattr(self, high)})"
                )
        if not self.depths_km or max(self.depths_km) >= self.moho_km:
            raise ValueError("seismic: depths_km needs at least one depth, all above moho_km")
        return self

    def level_of(self, intensity: float) -> int:
        """Level 0 to 4 of an intensity, after rounding to the nearest degree."""
        degree = int(intensity + 0.5)
        bounds = (self.blue_intensity, self.yellow_intensity, self.orange_intensity, self.red_intensity)
        return sum(degree >= bound for bound in bounds)

    def threshold_of(self, level: int) -> float | None:
        """The lowest intensity that rounds to a level; None for level 0."""
        bounds = (self.blue_intensity, self.yellow_intensity, self.orange_intensity, self.red_intensity)
        return bounds[level - 1] - 0.5 if level else None
