"""The place that a command is about, where it needs areas and stations only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from runtime.configuration.shipped import SHIPPED, SHIPPED_WORDS
from runtime.simulate.place import Place


def place_option(purpose: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--config DIR`, given as `config`; left out, the place that ships."""
    return click.option(
        "--config",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=SHIPPED,
        show_default=SHIPPED_WORDS,
        help=purpose,
    )


def read_place(folder: Path) -> Place:
    """The place of a folder.

    Raises
    ------
    click.ClickException
        It is no configuration.
    """
    try:
        return Place.read(folder)
    except (OSError, ValueError, KeyError) as error:
        raise click.ClickException(
            f"{folder} is not a configuration: {error}; try `fenghuo check {folder}`"
        ) from error
