"""Our programs as processes of the demo, over a configuration folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from runtime.configuration.shipped import SHIPPED
from schemas.errors import PlainError
from schemas.times import Micros, rfc3339
from tests.servers.base import Server

FENGHUO = str(Path(sys.executable).parent / "fenghuo")
_READY_S = 120.0


class DemoFailed(PlainError):
    """A part of the demo does not do what it should; the message says which, and its last words."""


class Program(Server):
    """One `fenghuo` command until it is stopped; it says `<command> ready` when it is.

    Parameters
    ----------
    title
        What it is called on the screen.
    words
        The command and its options.
    environment
        Where it finds its secrets.
    """

    name = "demo-program"
    stop_timeout_s = 45.0  # a worker finishes what it has taken

    def __init__(self, title: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
        super().__init__()
        self.title = title
        self._words = words
        self.environment = environment
        self._said = 0
        self.was_killed = False
        """Whether it did not end when it was asked to; what it has decided is in its checkpoints."""

    def command(self) -> Sequence[str]:
        """The command line as a person would type it, with a page of its health and metrics."""
        health = [] if self._words[0] == "console" else ["--health", f"{self.host}:{self.port}"]
        return [FENGHUO, *self._words, *health]

    def start(self) -> Self:
        """Start it, once more too; `says_ready` tells when it is ready."""
        self._said = len(self.log())
        return super().start()

    def ready(self) -> bool:
        """Always: all are started at once, and waited for together."""
        return True

    def says_ready(self) -> bool:
        """Whether it has said so in this life."""
        if self.process is None or self.process.poll() is not None:
            raise DemoFailed(f"{self.title} has ended: {self.last_words()}")
        return f"{self._words[0]} ready" in self.log()[self._said :]

    def last_words(self) -> str:
        """The end of what it printed."""
        return " / ".join(self.log().strip().splitlines()[-5:]) or "without a word"

    def stop(self) -> None:
        """Ask, wait, and kill what does not end."""
        try:
            super().stop()
        except subprocess.TimeoutExpired:
            self.was_killed = True

    def ask_to_stop(self) -> None:
        """Ask and do not wait; `stop` waits."""
        if self.process is not None:
            self.process.send_signal(self.stop_signal)


def wait_ready(programs: Sequence[Program]) -> None:
    """Wait until all say that they are ready.

    Raises
    ------
    DemoFailed
        One has ended, or takes too long.
    """
    deadline = time.monotonic() + _READY_S
    while waiting := [program for program in programs if not program.says_ready()]:
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"{waiting[0].title} is not ready after {_READY_S:.0f} s: {waiting[0].last_words()}"
            )
        time.sleep(0.1)


def run_once(*words: str) -> None:
    """Run a command to its end.

    Raises
    ------
    DemoFailed
        It did not do its part.
    """
    done = subprocess.run([FENGHUO, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoFailed(f"fenghuo {words[0]}: {(done.stderr or done.stdout).strip()}")


class Place:
    """The shipped place as a folder of this demo: an exercise whose counties are association areas of their own.

    So five logs are shared by the workers. Everything else of the policy is as shipped, but that what one person would
    release goes by itself.

    Parameters
    ----------
    folder
        Made here.
    settings
        Sections of fenghuo.yaml: brokers, database, channels, ports.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self._settings = {"status": "exercise", "association_tier": "county", **settings}
        folder.mkdir()
        for file in SHIPPED.iterdir():
            if file.suffix in {".csv", ".geojson"}:
                shutil.copy(file, folder)
        policy = yaml.safe_load((SHIPPED / "policy.yaml").read_text(encoding="utf-8"))
        policy["routing"]["exercise_release_by"] = "nobody"
        (folder / "policy.yaml").write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")

    def set_clock(self, starts_us: Micros, rate: float, set_us: Micros | None = None) -> None:
        """What the clock of the programs that start from now on shows (see `runtime.clock.SetClock`)."""
        clock: dict[str, Any] = {"starts_at": rfc3339(starts_us), "rate": rate}
        if set_us is not None:
            clock["set_at"] = rfc3339(set_us)
        text = yaml.safe_dump({**self._settings, "clock": clock}, allow_unicode=True)
        (self.folder / "fenghuo.yaml").write_text(text, encoding="utf-8")
