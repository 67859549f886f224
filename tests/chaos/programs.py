"""Our programs as processes, and the supervisor that starts them again, as a service manager would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.base import die_with_parent

STOP_S = 60.0
_LOOK_S = 0.1


class Program:
    """One of our commands as a process with a log of its own.

    Parameters
    ----------
    words
        `fenghuo` is left out.
    prefix
        Words before the interpreter: those that enter a namespace.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        prefix: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.deaths = 0
        """How often it ended without being told to; kills are such ends too."""
        self.kills = 0
        self.wanted = False
        """Whether it is to run."""
        self._words = [*prefix, sys.executable, "-m", "runtime.cli", *words]
        self._ready = f"{words[0]} ready"
        self._environment = {**os.environ, "PYTHONPATH": ".", "PYTHONUNBUFFERED": "1", **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start it; the supervisor does so again when it ends."""
        with self._lock:
            self.wanted = True
            self._start()

    def start_again_if_ended(self, pause_s: float) -> None:
        """Start it again, after a pause, where it is to run and does not."""
        process = self._process
        if not self.wanted or process is None or process.poll() is None:
            return
        self.deaths += 1
        time.sleep(pause_s)
        with self._lock:
            if self.wanted:
                self._start()

    def is_ready(self) -> bool:
        """Whether this life of it has said that it is ready."""
        if self._process is None or self._process.poll() is not None:
            return False
        with self.log.open("rb") as file:
            file.seek(self._began)
            return self._ready.encode() in file.read()

    def kill(self) -> None:
        """As a crash would."""
        self.kills += 1
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        """Let it sleep, as a machine that swaps would."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> int | None:
        """As an administrator would; its exit status, None where it did not run or had to be killed."""
        with self._lock:
            self.wanted = False
            process = self._process
        if process is None:
            return None
        self._signal(signal.SIGTERM)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def _start(self) -> None:
        self._began = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
            )

    def _signal(self, number: signal.Signals) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(number)


class Supervisor:
    """Starts programs again a moment after they end.

    Parameters
    ----------
    pause_s
        How long a program that ended stays so.
    """

    def __init__(self, programs: Sequence[Program], pause_s: float = 1.0) -> None:
        self.programs = {program.name: program for program in programs}
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(program,), name=f"watch {program.name}", daemon=True)
            for program in programs
        ]

    def start(self) -> None:
        """Begin to watch; starts nothing that was not started."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End what still runs, and watch no more."""
        for program in self.programs.values():
            program.wake()
            program.stop()
        # Last: the kernel ends what a thread has started when that thread ends.
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, program: Program) -> None:
        while not self._stopping.wait(_LOOK_S):
            program.start_again_if_ended(self._pause_s)
