"""`fenghuo areas import FILE DIR`: official boundaries into a configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runtime.configuration.areas import read_areas
from runtime.configuration.boundaries import read_boundaries, write_boundaries
from runtime.configuration.faults import Faults


@click.group()
def areas() -> None:
    """Areas of a configuration: take in official boundaries."""


@areas.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--code-property", default="code", show_default=True, help="Property that holds an area's code."
)
def import_boundaries(file: Path, folder: Path, code_property: str) -> None:
    """Take the official boundaries in FILE (GeoJSON, WGS 84) into DIR/boundaries.geojson.

    From then on they, and not the derived outlines, say in which county a station stands.
    """
    faults = Faults()
    index = read_areas(folder, faults).index
    if len(faults):
        for fault in faults:
            click.echo(str(fault))
        sys.exit(1)
    boundaries = read_boundaries(file, index, code_property)
    for sentence in boundaries.faults:
        click.echo(f"{file.name}: {sentence}")
    if boundaries.faults:
        sys.exit(1)
    path = write_boundaries(folder, boundaries, index, file.name)
    without = len(index) - len(boundaries.geometries)
    click.echo(f"{path}: {len(boundaries.geometries)} boundaries; {without} areas keep none.")
    if boundaries.unknown:
        several = "features name" if len(boundaries.unknown) > 1 else "feature names"
        shown = ", ".join(boundaries.unknown[:5])
        click.echo(f"{len(boundaries.unknown)} {several} no area of areas.csv: {shown}")
