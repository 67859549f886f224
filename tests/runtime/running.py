"""`fenghuo run` as a user runs it: a process of its own, which a test may kill at any instant."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.servers.base import die_with_parent, spare_port

TOKEN = "test-token"
WEBHOOK_SECRET = "test-secret"


class Running:
    """A `fenghuo run` over a configuration folder and a data folder.

    Parameters
    ----------
    limit
        Called in the child before it starts, to take away what it may use.
    """

    def __init__(
        self,
        config: Path,
        data: Path,
        console_port: int,
        *,
        environment: Mapping[str, str] = {},
        limit: Callable[[], None] = lambda: None,
    ) -> None:
        self.data = data
        self.url = f"http://127.0.0.1:{console_port}"
        self._command = [
            sys.executable,
            "-m",
            "runtime.cli",
            "run",
            "--config",
            str(config),
            "--data",
            str(data),
        ]
        self._environment = os.environ | {
            "FENGHUO_TOKEN": TOKEN,
            "FENGHUO_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "FENGHUO_SMPP_PASSWORD": "test",
            "PYTHONPATH": ".",
            **environment,
        }
        self._limit = limit
        self._ready = threading.Event()
        self.process: subprocess.Popen[str] | None = None
        self.said: list[str] = []
        """What it has printed, over all its lives."""

    def start(self, wait_s: float | None = 60) -> Self:
        """Start it; wait until it says that it is ready unless `wait_s` is None."""

        def prepare() -> None:
            die_with_parent()
            self._limit()

        self._ready = threading.Event()
        self.process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
            preexec_fn=prepare,  # noqa: PLW1509  (a few system calls, no lock)
        )
        threading.Thread(target=self._listen, args=(self.process, self._ready), daemon=True).start()
        if wait_s is not None:
            self.wait_ready(wait_s)
        return self

    def wait_ready(self, wait_s: float = 60) -> None:
        """Wait until it says that it is ready."""
        assert self._ready.wait(wait_s), "".join(self.said[-30:])
        assert self.process is not None
        assert self.process.poll() is None, "".join(self.said[-30:])

    def _listen(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line)
            if "fenghuo ready" in line:
                ready.set()
        ready.set()

    def kill(self) -> None:
        """As a crash would: SIGKILL, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As an administrator would; returns its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(how)
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def get(self, path: str) -> httpx.Response:
        """Ask the running process."""
        return httpx.get(self.url + path, timeout=10)

    def post(self, path: str, body: bytes) -> httpx.Response:
        """Send something with the token."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        return httpx.post(self.url + path, content=body, headers=headers, timeout=30)

    def health(self) -> dict[str, Any]:
        """What `/health` says, with its status."""
        answer = self.get("/health")
        body: dict[str, Any] = answer.json()
        return body | {"status_code": answer.status_code}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.kill()


def settings_of(broker_port: int, console_port: int, **more: Any) -> dict[str, Any]:
    """fenghuo.yaml of a test: an outside broker on loopback, status `exercise`."""
    return {
        "status": "exercise",
        "brokers": {
            "mqtt": {"host": "127.0.0.1", "port": broker_port, "client_id": f"fenghuo-{console_port}"}
        },
        "ports": {"console": console_port},
        **more,
    }


def until(what: str, holds: Callable[[], object], wait_s: float = 60, pause_s: float = 0.1) -> None:
    """Wait for something; fail with its name."""
    deadline = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {wait_s:.0f} s"
        time.sleep(pause_s)


__all__ = ["TOKEN", "WEBHOOK_SECRET", "Running", "settings_of", "spare_port", "until"]
