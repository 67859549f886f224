"""Where the five counties lie: hand-made corners, shared by neighbours so that nothing overlaps.

The corners are drawn by eye from general knowledge of the city's shape. They are no survey and no
administrative boundary (示意图，非行政区域界线).
"""

from __future__ import annotations

from dataclasses import dataclass

Position = tuple[float, float]
"""(longitude, latitude) in degrees, WGS 84."""

CITY = "5119"
CITY_SEAT: Position = (106.753, 31.859)

CORNERS: dict[str, Position] = {
    # the rim, clockwise from the west of Nanjiang
    "nanjiang_west": (106.52, 32.20),
    "nanjiang_northwest": (106.46, 32.42),
    "nanjiang_north": (106.62, 32.62),
    "nanjiang_top": (106.83, 32.74),
    "nanjiang_northeast": (107.06, 32.71),
    "nanjiang_tongjiang_rim": (107.12, 32.55),
    "tongjiang_north": (107.36, 32.53),
    "tongjiang_northeast": (107.58, 32.42),
    "tongjiang_east": (107.73, 32.23),
    "tongjiang_southeast": (107.69, 31.95),
    "tongjiang_pingchang_rim": (107.52, 31.78),
    "pingchang_east": (107.50, 31.55),
    "pingchang_southeast": (107.38, 31.36),
    "pingchang_south": (107.15, 31.27),
    "pingchang_southwest": (106.95, 31.33),
    "pingchang_bazhou_rim": (106.82, 31.43),
    "bazhou_enyang_rim": (106.70, 31.52),
    "enyang_south": (106.52, 31.58),
    "enyang_southwest": (106.38, 31.72),
    "enyang_west": (106.35, 31.90),
    "enyang_nanjiang_rim": (106.47, 32.03),
    # inside the city
    "enyang_bazhou_nanjiang": (106.68, 31.99),
    "enyang_bazhou_north": (106.695, 31.88),
    "enyang_bazhou_middle": (106.705, 31.76),
    "enyang_bazhou_south": (106.74, 31.64),
    "bazhou_nanjiang": (106.85, 32.04),
    "bazhou_nanjiang_tongjiang": (107.02, 32.03),
    "nanjiang_tongjiang_south": (107.05, 32.20),
    "nanjiang_tongjiang_north": (107.10, 32.38),
    "bazhou_tongjiang_pingchang": (107.05, 31.82),
    "tongjiang_pingchang_west": (107.20, 31.79),
    "tongjiang_pingchang_east": (107.36, 31.74),
    "bazhou_pingchang_north": (106.98, 31.68),
    "bazhou_pingchang_south": (106.93, 31.55),
}


@dataclass(frozen=True)
class County:
    """One county: the position of its seat and the corners of its extent, clockwise."""

    code: str
    seat: Position
    corners: tuple[str, ...]

    def extent(self) -> list[Position]:
        """Return the corners' positions, not closed."""
        return [CORNERS[corner] for corner in self.corners]


COUNTIES = (
    County(
        "511902",  # 巴州区
        (106.77, 31.85),
        (
            "enyang_bazhou_nanjiang",
            "bazhou_nanjiang",
            "bazhou_nanjiang_tongjiang",
            "bazhou_tongjiang_pingchang",
            "bazhou_pingchang_north",
            "bazhou_pingchang_south",
            "pingchang_bazhou_rim",
            "bazhou_enyang_rim",
            "enyang_bazhou_south",
            "enyang_bazhou_middle",
            "enyang_bazhou_north",
        ),
    ),
    County(
        "511903",  # 恩阳区
        (106.64, 31.79),
        (
            "enyang_nanjiang_rim",
            "enyang_bazhou_nanjiang",
            "enyang_bazhou_north",
            "enyang_bazhou_middle",
            "enyang_bazhou_south",
            "bazhou_enyang_rim",
            "enyang_south",
            "enyang_southwest",
            "enyang_west",
        ),
    ),
    County(
        "511921",  # 通江县
        (107.245, 31.912),
        (
            "nanjiang_tongjiang_rim",
            "tongjiang_north",
            "tongjiang_northeast",
            "tongjiang_east",
            "tongjiang_southeast",
            "tongjiang_pingchang_rim",
            "tongjiang_pingchang_east",
            "tongjiang_pingchang_west",
            "bazhou_tongjiang_pingchang",
            "bazhou_nanjiang_tongjiang",
            "nanjiang_tongjiang_south",
            "nanjiang_tongjiang_north",
        ),
    ),
    County(
        "511922",  # 南江县
        (106.83, 32.35),
        (
            "nanjiang_west",
            "nanjiang_northwest",
            "nanjiang_north",
            "nanjiang_top",
            "nanjiang_northeast",
            "nanjiang_tongjiang_rim",
            "nanjiang_tongjiang_north",
            "nanjiang_tongjiang_south",
            "bazhou_nanjiang_tongjiang",
            "bazhou_nanjiang",
            "enyang_bazhou_nanjiang",
            "enyang_nanjiang_rim",
        ),
    ),
    County(
        "511923",  # 平昌县
        (107.10, 31.56),
        (
            "bazhou_tongjiang_pingchang",
            "tongjiang_pingchang_west",
            "tongjiang_pingchang_east",
            "tongjiang_pingchang_rim",
            "pingchang_east",
            "pingchang_southeast",
            "pingchang_south",
            "pingchang_southwest",
            "pingchang_bazhou_rim",
            "bazhou_pingchang_south",
            "bazhou_pingchang_north",
        ),
    ),
)

RIM = (
    *("nanjiang_west", "nanjiang_northwest", "nanjiang_north", "nanjiang_top", "nanjiang_northeast"),
    *("nanjiang_tongjiang_rim", "tongjiang_north", "tongjiang_northeast", "tongjiang_east"),
    *("tongjiang_southeast", "tongjiang_pingchang_rim", "pingchang_east", "pingchang_southeast"),
    *("pingchang_south", "pingchang_southwest", "pingchang_bazhou_rim", "bazhou_enyang_rim"),
    *("enyang_south", "enyang_southwest", "enyang_west", "enyang_nanjiang_rim"),
)
"""The city's hull, clockwise."""
