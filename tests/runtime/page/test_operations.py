"""Health and metrics of programs without a page."""

from __future__ import annotations

import httpx
import pytest
from click.testing import CliRunner

from runtime.cli import fenghuo
from runtime.page.operations import operations_app
from runtime.page.server import ConsoleServer


def test_health_and_metrics_say_what_is_wrong_and_when_it_is_over() -> None:
    faults = ["the MQTT source does not stand"]
    server = ConsoleServer(operations_app(lambda: faults), "127.0.0.1", 0)
    server.start()
    try:
        answer = httpx.get(f"{server.url}/health")
        assert (answer.status_code, answer.json()) == (503, {"healthy": False, "faults": faults})
        assert "fenghuo_healthy 0.0" in httpx.get(f"{server.url}/metrics").text
        faults.clear()
        answer = httpx.get(f"{server.url}/health")
        assert (answer.status_code, answer.json()) == (200, {"healthy": True, "faults": []})
        assert "fenghuo_healthy 1.0" in httpx.get(f"{server.url}/metrics").text
    finally:
        server.stop()


@pytest.mark.parametrize("command", ["gateway", "worker", "dispatch"])
@pytest.mark.parametrize("place", ["8081", "127.0.0.1:", "127.0.0.1:no", "127.0.0.1:70000"])
def test_a_place_that_is_none_is_refused(command: str, place: str) -> None:
    refused = CliRunner().invoke(fenghuo, [command, "--health", place])
    assert refused.exit_code == 2
    assert "is not HOST:PORT" in refused.output
