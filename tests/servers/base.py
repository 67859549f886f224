"""What every test server is: a child process on loopback, in a folder of its own, that a test may kill."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import pytest

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ServerMissing(Exception):
    """The machine lacks a program that the server needs; the message is one plain line."""


def refuse_or_skip(error: ServerMissing) -> None:
    """Fail where `CI=true`, else skip loudly: a green run in CI has talked to every server."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI without a server: {error}", pytrace=False)
    pytest.skip(f"SERVER MISSING, TEST NOT RUN: {error}; `make test` installs it")


def program(name: str) -> str:
    """Return the path of a program, also where Debian keeps it out of a plain user's PATH."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise ServerMissing(f"{name} is not installed")
    return path


def spare_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def die_with_parent() -> None:
    """Between fork and exec: ask the kernel to stop this child when the test process goes, however it goes."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """One real server as a child process.

    Subclasses give `command`, and may prepare files in `prepare` and refine `ready`. Data stay in `folder` across `kill`
    and `restart`, on the same port, as they would on a machine that lost power.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_timeout_s: ClassVar[float] = 30.0
    stop_timeout_s: ClassVar[float] = 20.0

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = spare_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"fenghuo-{self.name}-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: Mapping[str, str] = {}  # beside this process's own
        self.run_as: str | None = None  # another user, for a server that refuses to run as root

    def command(self) -> Sequence[str]:
        """Return the words of the command that runs in the foreground."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Write configuration and data files, once, before the first start."""

    def ready(self) -> bool:
        """Tell whether the server answers; asked again until it does."""
        return self.listens()

    def listens(self) -> bool:
        """Tell whether something accepts connections on the port."""
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @property
    def pid(self) -> int:
        """Return the process id of the running server."""
        assert self.process is not None, f"{self.name} is not running"
        return self.process.pid

    def log(self) -> str:
        """Return what the server has printed so far."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> Self:
        """Start and wait until it answers."""
        if self.process is not None:
            raise RuntimeError(f"{self.name} runs already")
        prepared = self.folder / ".prepared"
        if not prepared.exists():
            self.prepare()
            prepared.touch()
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self.environment,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
                process_group=0,  # Ctrl-C is for whoever started it, who then stops it in order
                user=self.run_as,
                group=self.run_as,
                extra_groups=None if self.run_as is None else [],
            )
        self.wait_until(self.ready, self.start_timeout_s)
        return self

    def wait_until(self, happened: Callable[[], bool], timeout_s: float) -> None:
        """Wait for something that the running server should bring about."""
        assert self.process is not None
        deadline = time.monotonic() + timeout_s
        while not happened():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.log()[-2000:]}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} did not answer within {timeout_s} s:\n{self.log()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop as an administrator would, and wait; a server that is not running stays so."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """Kill with SIGKILL, as a crash would, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process = None

    def restart(self) -> Self:
        """Stop if it runs, then start on the same data and port."""
        self.stop()
        return self.start()

    def remove(self) -> None:
        """Stop for good and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def __exit__(self, *_: object) -> None:
        self.remove()
