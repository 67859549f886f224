"""What the gauges tell the flash-flood rule: sums of one gauge over its windows, while they could matter."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.times import Micros


@dataclass(frozen=True, slots=True)
class RainTotals:
    """Sums of one gauge that may matter for flash floods, one for each of `windows_h`.

    Attributes
    ----------
    row
        The gauge's row in the bundle.
    observed_us
        When the reading was observed that made them.
    windows_h, sums_um, reached_us
        Hours, thousandths of a millimetre, and the end of the window with that sum.
    antecedent_um
        Effective rain of the days before, less what the sums hold of it.
    good
        For each window, whether it may serve to lower a level: a flag of 1, enough of it measured.
    late
        A late reading changed windows of the past: these sums may raise a level and never lower one.
    suspect
        A suspect reading is among the sums.
    """

    row: int
    observed_us: Micros
    interval_us: Micros
    windows_h: tuple[int, ...]
    sums_um: tuple[int, ...]
    reached_us: tuple[Micros, ...]
    antecedent_um: tuple[int, ...]
    good: tuple[bool, ...]
    late: bool
    suspect: bool
