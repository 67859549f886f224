"""Prometheus: scrapes what a test exposes, and answers the queries of dashboards and rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx

from tests.servers.base import Server, program


class Prometheus(Server):
    """A server that scrapes every second whatever `scrape` names, without a restart."""

    name = "prometheus"

    def __init__(self) -> None:
        super().__init__()
        self.targets: dict[str, list[str]] = {}

    def prepare(self) -> None:
        """Write the configuration; the targets come from a file that it watches."""
        self._write_targets()
        (self.folder / "prometheus.yml").write_text(
            json.dumps(  # YAML's subset
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "scrape_configs": [
                        {
                            "job_name": "tests",
                            "file_sd_configs": [
                                {"files": [str(self.folder / "targets.json")], "refresh_interval": "1s"}
                            ],
                        }
                    ],
                }
            )
        )

    def _write_targets(self) -> None:
        groups = [{"targets": hosts, "labels": {"job": job}} for job, hosts in self.targets.items()]
        beside = self.folder / "targets.new"
        beside.write_text(json.dumps(groups))
        beside.rename(self.folder / "targets.json")  # whole or not at all

    def command(self) -> Sequence[str]:
        """Run on loopback with an hour of memory."""
        return [
            program("prometheus"),
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            "--storage.tsdb.retention.time=1h",
            f"--web.listen-address={self.host}:{self.port}",
        ]

    @property
    def url(self) -> str:
        """Return the address of its interface."""
        return f"http://{self.host}:{self.port}"

    def ready(self) -> bool:
        """Tell whether it serves queries."""
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def scrape(self, job: str, *targets: str, timeout_s: float = 15) -> None:
        """Scrape `targets` (`127.0.0.1:port`, path /metrics) from now on; return once each was scraped with success."""
        self.targets[job] = list(targets)
        self._write_targets()
        self.wait_until(lambda: len(self.query(f'up{{job="{job}"}} == 1')) == len(targets), timeout_s)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query; a wrong expression raises with Prometheus's own words."""
        answer = httpx.get(
            f"{self.url}/api/v1/query", params={"query": expression}, timeout=10, trust_env=False
        ).json()
        if answer["status"] != "success":
            raise ValueError(f"{expression}: {answer['error']}")
        return list(answer["data"]["result"])
