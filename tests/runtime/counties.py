"""Association areas side by side for tests: a log each, a ledger in memory, and a crash at any step."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from ingest.packing import Packer, report_end
from ingest.sources.file import read_files
from runtime.association import Association
from runtime.cli.simulate import simulate
from runtime.configuration.loading import load
from runtime.pipeline import Decisions, Pipeline
from schemas.area import Tier
from schemas.bundle import Bundle
from schemas.log import FindingRecord, Positioned, Record, Tick, decode_record, encode_record
from schemas.reject import Reject
from schemas.times import Micros
from schemas.wire import Seismic

BAZHONG = Path("deploy/bazhong")
LISTS = ("findings", "alerts", "notices", "releases", "acts")


@cache
def five_counties() -> Bundle:
    """Bazhong's areas, each county an association area, and its seismic stations, which all counties hear."""
    whole = load(BAZHONG).bundle
    seismic = [station for station in whole.stations if station.kind == "seismic"]
    return Bundle.of(
        areas=whole.areas,
        stations=seismic,
        policy=whole.policy,
        status=whole.status,
        association_tier=Tier.COUNTY,
    )


def quake(folder: Path, seed: int = 1) -> Path:
    """Twenty-five seconds around an M 5.5 in Tongjiang, as a file of readings."""
    window = ["--from", "2026-05-12T06:27:55Z", "--until", "2026-05-12T06:28:20Z"]
    result = CliRunner().invoke(simulate, ["quake", "--seed", str(seed), "--out", str(folder), *window])
    assert result.exit_code == 0, result.output
    return folder / "readings.jsonl"


def seismic_of(path: Path) -> list[Seismic]:
    said = [entry.item for entry in read_files([path], lambda _: None, lambda _: None)]
    assert not any(isinstance(item, Reject) for item in said)
    return [item for item in said if isinstance(item, Seismic)]


def told(decisions: Decisions) -> dict[str, list[str]]:
    return {name: [one.model_dump_json() for one in getattr(decisions, name)] for name in LISTS}


class Died(BaseException):
    """The process of an area ends here."""


@dataclass
class Books:
    """What a ledger keeps of one area: checkpoints, and each decision once, or the test fails."""

    bundle: Bundle
    rows: dict[str, bytes] = field(default_factory=dict)
    position: int = 0
    kept: dict[str, dict[str, str]] = field(default_factory=lambda: {name: {} for name in LISTS})

    def load_checkpoint(self, area: str) -> tuple[dict[str, bytes], int]:
        return dict(self.rows), self.position

    def checkpoint(
        self, area: str, rows: Mapping[str, bytes | None], position: int, *, epoch: int | None = None
    ) -> None:
        for key, value in rows.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        self.position = position

    def load_bundle(self, identity: str) -> bytes:
        assert identity == self.bundle.hash
        return self.bundle.canonical

    def write_decisions(
        self,
        area: str,
        position: int,
        findings: Sequence[Any] = (),
        alerts: Sequence[Any] = (),
        notices: Sequence[Any] = (),
        releases: Sequence[Any] = (),
        acts: Sequence[Any] = (),
        *,
        epoch: int | None = None,
    ) -> None:
        for name, items in zip(LISTS, (findings, alerts, notices, releases, acts), strict=True):
            for item in items:
                key = str((item.id if hasattr(item, "id") else item.alert, getattr(item, "version", 0)))
                if name in ("notices", "releases"):
                    key += str((getattr(item, "state", ""), getattr(item, "audience", "")))
                body = item.model_dump_json()
                assert self.kept[name].setdefault(key, body) == body, f"{name} {key} met with other content"


@dataclass
class Counties:
    """Runs the areas of a bundle step by step; `chance` decides on the order of everything.

    Attributes
    ----------
    spoil
        Whether processes die, and forwarded records come more than once.
    """

    bundle: Bundle
    chance: random.Random
    spoil: bool = True
    logs: dict[str, list[Record]] = field(default_factory=dict)
    books: dict[str, Books] = field(default_factory=dict)
    areas: dict[str, Association] = field(default_factory=dict)
    dies: str | None = None
    """Before or behind forwarding: where the next process to decide something ends."""

    def __post_init__(self) -> None:
        for code in self.bundle.associations:
            self.logs[code] = []
            self.books[code] = Books(self.bundle)
            self.areas[code] = self.started(code)

    def started(self, code: str) -> Association:
        def forward(decisions: Decisions) -> None:
            if self.dies == "before":
                raise Died
            for one in decisions.forwards:
                record = FindingRecord.of(one)
                self.logs[one.area] += [record] * (self.chance.randint(1, 2) if self.spoil else 1)
            if self.dies == "behind":
                raise Died

        def no_dead(position: int, reason: str) -> None:
            raise AssertionError(f"record {position} of {code} is dead: {reason}")

        return Association(code, self.bundle, self.books[code], on_decisions=forward, on_dead=no_dead)

    def hear(self, said: Sequence[Seismic], apart: int) -> None:
        """Write readings into every area's log, in each in an order of its own: `apart` places off at most."""
        waiting = {}
        for code in self.areas:
            order = sorted(range(len(said)), key=lambda place: place + self.chance.uniform(0, apart))
            waiting[code] = [said[place] for place in order]
        while any(waiting.values()):
            code = self.chance.choice([code for code, left in waiting.items() if left])
            count = self.chance.choice((1, 7, 51, 120))
            self._log(code, waiting[code][:count])
            del waiting[code][:count]
            self.step(code)
        while any(area.position < len(self.logs[code]) for code, area in self.areas.items()):
            self.step(self.chance.choice(list(self.areas)))

    def _log(self, code: str, said: Sequence[Seismic]) -> None:
        packer, now = Packer(self.bundle), max(map(report_end, said))
        now = max([now, *(_newest(record) for record in self.logs[code][-1:])])
        for one in said:
            assert packer.add(one, now, "test") is None
        self.logs[code] += [placed.packet for placed in packer.take()[code]]

    def step(self, code: str) -> None:
        area = self.areas[code]
        stop = area.position + self.chance.randint(1, 40)
        records = [decode_record(encode_record(record)) for record in self.logs[code][area.position : stop]]
        self.dies = self.chance.choice(("before", "behind", None, None)) if self.spoil else None
        try:
            area.take([Positioned(area.position + n, record) for n, record in enumerate(records, 1)])
            if self.chance.random() < 0.3:
                area.checkpoint()
            if self.spoil and self.chance.random() < 0.1:
                raise Died
        except Died:
            self.areas[code] = self.started(code)
        if self.chance.random() < 0.05:
            self.logs[code].append(Tick(_newest(self.logs[code][-1])))

    def replayed(self, code: str) -> Books:
        """What a plain pipeline makes of an area's log, record by record."""
        books = Books(self.bundle)
        decisions = Pipeline(self.bundle, code).process(self.logs[code])
        books.write_decisions(code, 0, **{name: getattr(decisions, name) for name in LISTS})
        return books


def _newest(record: Record) -> Micros:
    return int(record.received_us.max()) if not hasattr(record, "at_us") else record.at_us
