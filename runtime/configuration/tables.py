"""Tables: CSV files with a header, read row by row with line numbers and every fault named."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from runtime.configuration.faults import Faults

_OBJECT = msgspec.json.Decoder(dict[str, Any])


class Row:
    """One row: its cells by column, stripped of blanks, and where it stands."""

    __slots__ = ("_faults", "cells", "file", "line")

    def __init__(self, file: str, line: int, cells: dict[str, str], faults: Faults) -> None:
        self.file = file
        self.line = line
        self.cells = cells
        self._faults = faults

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def fault(self, message: str) -> None:
        """Note a fault of this row."""
        self._faults.add(self.file, self.line, message)

    def filled(self, column: str) -> str | None:
        """The cell's text; a fault and None where it is empty."""
        text = self.cells[column]
        if text:
            return text
        self.fault(f"{column} is empty; fill it in.")
        return None

    def number(self, column: str, low: float, high: float, example: str) -> float | None:
        """The cell as a finite number in [low, high]; a fault and None where it is not one."""
        text = self.cells[column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if low <= value <= high:
            return value
        what = f"beyond {low:g} to {high:g}" if math.isfinite(value) else "no number"
        self.fault(f"{column} is {text!r}, which is {what}; write it like {example}.")
        return None

    def object(self, column: str) -> dict[str, Any] | None:
        """The cell as a JSON object, {} where it is empty; a fault and None where it is not one."""
        text = self.cells[column]
        if not text:
            return {}
        try:
            return _OBJECT.decode(text)
        except msgspec.DecodeError as error:
            reason = str(error).removesuffix(".")
            self.fault(f'{column} is no JSON object ({reason}); write it like {{"name": value}}.')
            return None


def read_text(folder: Path, file: str, faults: Faults) -> str | None:
    """The text of a file of the folder, without a byte order mark; a fault and None where it is not UTF-8."""
    try:
        return (folder / file).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        faults.add(file, line, "is not UTF-8 text here; save the file as UTF-8.")
    except OSError as error:
        faults.add(file, 0, f"cannot be read ({error.strerror}); put the file there, readable.")
    return None


def read_table(folder: Path, file: str, columns: Sequence[str], faults: Faults) -> Iterator[Row]:
    """Yield the rows of a CSV file that has exactly these columns, in any order."""
    text = read_text(folder, file, faults)
    if text is None:
        faults.torn.add(file)
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            at, line = line, reader.line_num + 1
            if not cells:
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                if not _header_fits(file, at, header, columns, faults):
                    faults.torn.add(file)
                    return
            elif len(cells) == len(header):
                yield Row(file, at, dict(zip(header, map(str.strip, cells), strict=True)), faults)
            else:
                faults.torn.add(file)
                wanted = f"the header has {len(header)} ({','.join(header)})"
                faults.add(
                    file, at, f"has {len(cells)} cells, {wanted}; add or take away commas, or quote a text."
                )
    except csv.Error as error:
        faults.torn.add(file)
        faults.add(file, line, f"is no CSV from here on ({error}); mend the quotes.")
    if header is None and file not in faults.torn:
        faults.torn.add(file)
        faults.add(file, 1, f"is empty; begin it with the line {','.join(columns)}")


def _header_fits(file: str, line: int, header: list[str], columns: Sequence[str], faults: Faults) -> bool:
    fits = True
    for column in columns:
        if column not in header:
            fits = False
            faults.add(file, line, f"column {column} is missing; the header is {','.join(columns)}")
    for index, column in enumerate(header):
        if column in header[:index]:
            fits = False
            faults.add(file, line, f"column {column} stands twice; take one away.")
        elif column not in columns:
            fits = False
            faults.add(
                file, line, f"column {column!r} is unknown{did_you_mean(column, columns)}; take it away."
            )
    return fits


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """` (did you mean x?)` where a known word is close, else nothing."""
    close = get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
