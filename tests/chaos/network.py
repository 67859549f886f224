"""The network of a run: a namespace of its own, in it another for one gateway, with two lines between them.

    here ── 10.77.1.1 ═ line "kafka" ═ 10.77.1.2 ── the gateway's namespace: cutting this line cuts it off from Kafka alone
         ── 10.77.2.1 ═ line "other" ═ 10.77.2.2 ──

All addresses end with the processes: a run that is killed leaves nothing behind, and runs beside it do not meet.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Self

from tests.servers.base import ServerMissing, die_with_parent, program

KAFKA_HOST, OTHER_HOST = "10.77.1.1", "10.77.2.1"
NEIGHBOURS = "10.77.0.0/16"
_INSIDE = "FENGHUO_CHAOS_NAMESPACE"
_LINES = {"kafka": (KAFKA_HOST, "10.77.1.2"), "other": (OTHER_HOST, "10.77.2.2")}


def enter_own_namespace(module: str, arguments: Sequence[str]) -> None:
    """Begin this program again in a network namespace of its own; returns where it is in one already.

    Raises
    ------
    ServerMissing
        The machine, or this user, cannot make one.
    """
    if os.environ.get(_INSIDE):
        return
    why_not = namespaces_missing()
    if why_not is not None:
        raise ServerMissing(why_not)
    words = [program("unshare"), "--net", sys.executable, "-m", module, *arguments]
    os.execve(words[0], words, os.environ | {_INSIDE: "1"})


def namespaces_missing() -> str | None:
    """Why no network namespace can be made here; None where one can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for name in ("unshare", "nsenter", "ip"):
        try:
            program(name)
        except ServerMissing as error:
            return f"{error} (util-linux, iproute2)"
    made = subprocess.run([program("unshare"), "--net", "true"], capture_output=True, text=True, check=False)
    return made.stderr.strip() or "no network namespace can be made" if made.returncode else None


class Network:
    """The namespace of one gateway, and the lines to it. Only inside a namespace of the run's own."""

    def __init__(self) -> None:
        if not os.environ.get(_INSIDE):
            raise RuntimeError("this would change the machine's own network: see enter_own_namespace")
        self._holder: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._holder = subprocess.Popen(
            [program("unshare"), "--net", "sleep", "infinity"],
            preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
        )
        _ip("link", "set", "lo", "up")
        self._until_apart(self._holder.pid)
        self._inside("link", "set", "lo", "up")
        for name, (here, there) in _LINES.items():
            pid = str(self._holder.pid)
            _ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", pid)
            _ip("address", "add", f"{here}/24", "dev", name)
            _ip("link", "set", name, "up")
            self._inside("address", "add", f"{there}/24", "dev", name)
            self._inside("link", "set", name, "up")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._holder is not None
        self._holder.kill()
        self._holder.wait()

    @property
    def prefix(self) -> list[str]:
        """The words that start a program inside the gateway's namespace, in the same process."""
        assert self._holder is not None
        return [program("nsenter"), f"--net=/proc/{self._holder.pid}/ns/net"]

    def cut(self) -> None:
        """Cut the line to Kafka; packets under way are lost, and nobody is told."""
        self._inside("link", "set", "kafka", "down")

    def mend(self) -> None:
        """Join it again."""
        self._inside("link", "set", "kafka", "up")

    def _inside(self, *words: str) -> None:
        _ip(*words, prefix=self.prefix)

    def _until_apart(self, pid: int) -> None:
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{pid}/ns/net") == own:
            if self._holder is None or self._holder.poll() is not None:
                raise RuntimeError("unshare ended without making a namespace")
            os.sched_yield()


def _ip(*words: str, prefix: Sequence[str] = ()) -> None:
    done = subprocess.run([*prefix, program("ip"), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
