"""Mosquitto: the MQTT broker that a deployment would run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from tests.servers.base import Server, program


class Mosquitto(Server):
    """A broker with persistence: durable sessions outlive `restart`, and `kill` up to its save interval.

    Parameters
    ----------
    users
        Name to password. None lets everybody in without a name.
    acl
        The text of an access list (`user …`, `topic …`, `pattern …`); wants `users`.
    autosave_s
        Seconds between saves of sessions and queues. A kill loses what was queued since.
    inflight
        Most messages that it sends ahead of a subscriber's acknowledgements, whatever that subscriber would take.
    """

    name = "mosquitto"

    def __init__(
        self,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        autosave_s: int = 1,
        inflight: int = 100,
    ) -> None:
        super().__init__()
        self.users = users
        self.acl = acl
        self.autosave_s = autosave_s
        self.inflight = inflight

    def prepare(self) -> None:
        """Write the configuration, the password file and the access list."""
        data = self.folder / "data"
        data.mkdir()
        lines = [
            "per_listener_settings false",
            "persistence true",
            f"persistence_location {data}/",
            f"autosave_interval {self.autosave_s}",
            "autosave_on_changes false",
            "max_queued_messages 0",
            "max_queued_bytes 0",
            f"max_inflight_messages {self.inflight}",
            "persistent_client_expiration 14d",
            f"listener {self.port} {self.host}",
            f"allow_anonymous {'true' if self.users is None else 'false'}",
        ]
        if os.geteuid() == 0:
            lines.insert(0, "user root")  # else it drops to a user who cannot read this folder
        if self.users is not None:
            passwords = self.folder / "passwd"
            passwords.touch(mode=0o600)
            for user, password in self.users.items():
                subprocess.run(
                    [program("mosquitto_passwd"), "-b", str(passwords), user, password],
                    check=True,
                    capture_output=True,
                )
            lines.append(f"password_file {passwords}")
        if self.acl is not None:
            access = self.folder / "acl"
            access.write_text(self.acl)
            lines.append(f"acl_file {access}")
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str]:
        """Run in the foreground on the written configuration."""
        return [program("mosquitto"), "-c", str(self.folder / "mosquitto.conf")]

    def wait_saved(self, timeout_s: float = 10) -> None:
        """Wait for two whole saves from now: the first may have begun before; what is queued now outlives a kill then."""
        store = self.folder / "data" / "mosquitto.db"

        def written() -> int:
            return store.stat().st_mtime_ns if store.exists() else 0

        for _ in range(2):
            last = written()
            self.wait_until(lambda last=last: written() > last, timeout_s)  # type: ignore[misc]
