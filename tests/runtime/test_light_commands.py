"""Commands that decide nothing start without what decides: on an old machine at the edge scipy alone takes seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "command", ["relay", "check", "verify", "simulate", "cap", "topics", "dispatch", "console"]
)
def test_a_command_loads_only_what_it_needs(command: str) -> None:
    asked = f"import sys, runtime.cli.{command}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run(
        [sys.executable, "-c", asked], check=True, capture_output=True, text=True
    ).stdout.split()
    heavy = {"scipy", "faust", "amqtt"} | (
        {"detectors", "sqlalchemy", "kafka"} if command == "relay" else set()
    )
    assert heavy & set(loaded) == set()
