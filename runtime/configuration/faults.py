"""Faults of a configuration: where, what, and how to mend it; all of them, not the first only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import PlainError


@dataclass(frozen=True, order=True)
class Fault:
    """One fault. `file` is relative to the folder; `line` and `column` count from 1, 0 where none is known."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])
        return f"{place}: {self.message}"


class Faults:
    """What was found wrong so far, in the order of the files' reading, and by line within a file."""

    def __init__(self) -> None:
        self._found: dict[str, list[Fault]] = {}
        self.torn: set[str] = set()
        """Files of which rows or more could not be read, so that what they lack is not known."""

    def __iter__(self) -> Iterator[Fault]:
        for found in self._found.values():
            yield from sorted(found)

    def __len__(self) -> int:
        return sum(len(found) for found in self._found.values())

    def add(self, file: str, line: int, message: str, column: int = 0) -> None:
        """Note a fault."""
        self._found.setdefault(file, []).append(Fault(file, line, column, message))


class ConfigurationError(PlainError):
    """A configuration has faults; nothing is run with it. The text has one fault a line."""

    def __init__(self, faults: Faults) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
