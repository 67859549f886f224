"""Make areas.csv, stations.csv, recipients.csv and outlines.geojson of Bazhong anew, byte for byte.

Usage: ``python -m deploy.bazhong.build [FOLDER]``
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable
from pathlib import Path

from deploy.bazhong.build.areas import lay_out, read_names
from deploy.bazhong.build.outlines import outlines
from deploy.bazhong.build.recipients import recipients
from deploy.bazhong.build.stations import Network

FOLDER = Path(__file__).resolve().parent.parent


def make() -> dict[str, str]:
    """The text of every made file, by name."""
    areas = lay_out(read_names())
    return {
        "areas.csv": _table(
            ("code", "name", "tier", "parent", "lon", "lat"),
            (
                (a.code, a.name, a.tier, a.parent, f"{a.position[0]:.4f}", f"{a.position[1]:.4f}")
                for a in areas
            ),
        ),
        "stations.csv": _table(
            ("id", "kind", "name", "lon", "lat", "elevation_m", "area", "watches", "parameters"),
            (
                (
                    *(
                        s.id,
                        s.kind,
                        s.name,
                        f"{s.position[0]:.5f}",
                        f"{s.position[1]:.5f}",
                        str(s.elevation_m),
                    ),
                    *(s.area, ";".join(s.watches), s.parameters),
                )
                for s in Network(areas).stations()
            ),
        ),
        "recipients.csv": _table(
            ("id", "post", "area", "tier", "role", "channels"),
            ((r.id, r.post, r.area, r.tier, r.role, r.channels) for r in recipients(areas)),
        ),
        "outlines.geojson": outlines(areas),
    }


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def main() -> None:
    """Write the files into the folder named on the command line, else over the shipped ones."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, text in make().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{folder / name}: {text.count(chr(10))} lines, {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
