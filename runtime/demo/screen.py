"""The demo on a terminal: what was received scrolls by, how things stand stays below it.

Where the output is no terminal, every message is one whole line and nothing else moves.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from runtime.demo.told import MEANS, Said
from schemas.level import Level

MARK = "演练 · 模拟数据"
STYLES = {
    Level.RED: "bold white on red3",
    Level.ORANGE: "bold black on dark_orange",
    Level.YELLOW: "bold black on yellow3",
    Level.BLUE: "bold white on dodger_blue3",
}
_TIERS = {"市": "magenta", "县": "cyan", "乡": "green", "村": "default"}
_EVERY_S = 0.2
_POST_CELLS = 26
_LINES_AT_ONCE = 200


@dataclass
class Standing:
    """How things stand: what the lower part shows. Written by one thread, read by another."""

    at: datetime
    console_url: str = ""
    part: float = 0.0
    """How much of the storm is over, 0 to 1."""
    readings: int = 0
    in_force: dict[Level, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)


class Screen:
    """Prints messages in the order in which they came, from a thread of its own; use it as a context.

    Parameters
    ----------
    standing
        Asked for what to show, several times a second.
    file
        Takes every message whole.
    """

    def __init__(self, console: Console, standing: Callable[[], Standing], file: Path) -> None:
        self._console = console
        self._standing = standing
        self._file = file
        self._said: queue.SimpleQueue[Said] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)

    def say(self, said: Said) -> None:
        """Let a message be printed; from any thread."""
        self._said.put(said)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with self._file.open("w", buffering=1, encoding="utf-8") as file:
            if not self._console.is_terminal:
                self._print_for_ever(lambda said: self._plain(said, file.write))
                return
            with Live(console=self._console, auto_refresh=False, transient=True) as live:

                def show(said: list[Said]) -> None:
                    file.writelines(f"{one.line}\n" for one in said)
                    if said:
                        self._console.print(
                            Text("\n").join(coloured(one, self._console.width) for one in said),
                            no_wrap=True,
                            highlight=False,
                        )
                    live.update(lower_part(self._standing()), refresh=True)

                self._print_for_ever(show)

    def _print_for_ever(self, show: Callable[[list[Said]], None]) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(_EVERY_S)
            show(self._waiting())
        while said := self._waiting():
            show(said)

    def _waiting(self) -> list[Said]:
        said: list[Said] = []
        while len(said) < _LINES_AT_ONCE and not self._said.empty():
            said.append(self._said.get())
        return said

    def _plain(self, said: list[Said], keep: Callable[[str], object]) -> None:
        for one in said:
            keep(f"{one.line}\n")
            self._console.print(one.line, markup=False, highlight=False, soft_wrap=True)


def coloured(said: Said, width: int) -> Text:
    """A message as one line of a terminal `width` cells wide: when, tier, means, post, colour, gist."""
    line = Text(no_wrap=True, overflow="crop")
    line.append(f"{said.at:%H:%M} ", "dim")
    line.append(f"{said.tier} ", _TIERS[said.tier])
    line.append(f"{MEANS[said.channel][0]} ", "dim")
    post = (
        said.post if cell_len(said.post) <= _POST_CELLS else set_cell_size(said.post, _POST_CELLS - 1) + "…"
    )
    line.append(f"{set_cell_size(post, _POST_CELLS)} ")
    colour = said.level.colour_zh[0] if said.level else "—"
    line.append(f" {set_cell_size(colour, 2)} ", STYLES.get(said.level, "dim"))
    line.append(" ")
    room = width - line.cell_len
    gist = (
        said.gist
        if cell_len(said.gist) <= room
        else set_cell_size(said.gist, max(0, room - 1)).rstrip() + "…"
    )
    line.append(gist, "bold" if said.level is Level.RED else "")
    return line


def lower_part(standing: Standing) -> Group:
    """How things stand."""
    time = Table.grid(padding=(0, 2))
    time.add_row(
        Text(f"{standing.at.month}月{standing.at.day}日 {standing.at:%H:%M}", "bold"),
        ProgressBar(total=1.0, completed=min(1.0, standing.part), width=24),
        f"读数 readings {standing.readings:,}",
    )
    in_force = Text("在警 in force  ")
    for level in sorted(STYLES, reverse=True):
        in_force.append(f" {level.colour_zh[0]} {standing.in_force.get(level, 0)} ", STYLES[level])
        in_force.append(" ")
    told = Text()
    for channel, (name, english) in MEANS.items():
        told.append(f"{name} {english} ", "dim")
        told.append(f"{standing.told.get(channel, 0):,}  ", "bold")
    told.append(standing.console_url, "underline")
    return Group(banner(), time, in_force, told)


def banner() -> Rule:
    """What all of it is."""
    return Rule(f"[bold white on dark_orange3] {MARK} [/] exercise on simulated data", style="dark_orange3")
