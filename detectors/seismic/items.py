"""Items: what the stations' stage tells the network's."""

from __future__ import annotations

import msgspec

from schemas.times import Micros


class Pick(msgspec.Struct, frozen=True):
    """One onset at one station; told again with the same `number` as more of its P wave is known.

    Attributes
    ----------
    number
        Running number of the station's picks.
    picked_us, sigma_s
        The onset and its standard deviation.
    window_s
        Seconds of P behind `pd_cm` and `tau_c_s`; 0 at the first telling, when both are None.
    pd_cm, noise_cm
        Peak vertical displacement of the window, and of the seconds before the onset; None without a gain.
    tau_c_s
        Predominant period of the window.
    ratio
        Greatest ratio of the averages so far.
    clipped
        Whether samples of the window stood at the rail or failed a quality test: no amplitude then.
    """

    station: str
    channel: str
    number: int
    picked_us: Micros
    sigma_s: float
    ratio: float
    window_s: float = 0.0
    pd_cm: float | None = None
    noise_cm: float | None = None
    tau_c_s: float | None = None
    clipped: bool = False


class Motion(msgspec.Struct, frozen=True):
    """The strongest motion of one station in one UTC second; also says that the station is heard.

    Attributes
    ----------
    until_us
        End of the second.
    pga_m_s2, pgv_m_s
        Peaks of the vector sum, 0.1 to 10 Hz; None without a gain.
    components
        How many components are in the sum; of fewer than three it is a lower bound.
    clipped
        Whether a sample stood at the rail or failed a quality test.
    """

    station: str
    until_us: Micros
    pga_m_s2: float | None
    pgv_m_s: float | None
    components: int
    clipped: bool
