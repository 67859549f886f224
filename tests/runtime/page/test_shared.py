"""The console over a ledger that others write: decisions appear, readings are sent elsewhere, faults are seen.

Acts through Kafka to a worker and back are in tests/deploy/test_compose.py.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from alerting.ledger import Ledger
from runtime.configuration.loading import load
from runtime.page import lookout
from runtime.page.shared import SharedConsole
from runtime.servers.surroundings import clock_of
from tests.alerting.ledger.making import a_release, an_act, an_alert
from tests.runtime.running import TOKEN, spare_port, until

SMALL = Path(__file__).parents[2] / "data" / "configurations" / "small"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Path(shutil.copytree(SMALL, tmp_path_factory.mktemp("console") / "place"))
    settings = {
        "brokers": {"kafka": {"bootstrap": [f"127.0.0.1:{spare_port()}"]}},
        "ports": {"console": spare_port()},
        "status": "exercise",
    }
    (made / "fenghuo.yaml").write_text(yaml.safe_dump(settings))
    return made


@pytest.fixture(scope="module")
def ledger(place: Path) -> Iterator[Ledger]:
    with Ledger.open(str(place.parent / "state.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def url(place: Path, ledger: Ledger) -> Iterator[str]:
    """One console for all tests here, whose Kafka is away."""
    configuration = load(place)
    console = SharedConsole(configuration, ledger, clock_of(configuration.settings), {"FENGHUO_TOKEN": TOKEN})
    console.start()
    yield console.server.url
    console.stop()


def test_what_workers_decide_reaches_an_open_page(url: str, ledger: Ledger, place: Path) -> None:
    association = load(place).bundle.associations[0]
    heard: list[tuple[str, str]] = []
    open_ = threading.Event()

    def listen() -> None:
        with httpx.stream("GET", f"{url}/v1/events", timeout=20) as answer:
            open_.set()
            event = ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data" and event in ("alert", "release", "act"):
                    heard.append((event, json.loads(value)["id" if event != "release" else "alert"]))
                    if len(heard) == 3:
                        return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert open_.wait(10)
    ledger.write_decisions(
        association, 3, alerts=[an_alert()], releases=[a_release()], acts=[an_act("act-1")]
    )
    thread.join(15)
    assert heard == [("alert", "a-1"), ("release", "a-1"), ("act", "act-1")]
    assert [one["id"] for one in httpx.get(f"{url}/v1/alerts?all=1").json()] == ["a-1"]
    assert "text/html" in httpx.get(url).headers["content-type"]


def test_readings_are_refused_with_the_way_to_a_gateway(url: str) -> None:
    answer = httpx.post(f"{url}/v1/readings", headers=BEARER, content=b"{}", timeout=5)
    assert answer.status_code == 404
    assert "send them to a gateway" in answer.json()["error"]


def test_an_act_is_refused_at_once_while_kafka_is_away_and_a_known_one_is_answered(
    url: str, ledger: Ledger, place: Path
) -> None:
    began_s = time.monotonic()
    answer = httpx.post(
        f"{url}/v1/acts", headers=BEARER, content=an_act("act-2").model_dump_json(), timeout=10
    )
    assert answer.status_code == 503
    assert "send the same act again" in answer.json()["error"]
    assert time.monotonic() - began_s < 3
    ledger.write_decisions(load(place).bundle.associations[0], 3, acts=[an_act("act-2", outcome="done")])
    again = httpx.post(
        f"{url}/v1/acts", headers=BEARER, content=an_act("act-2").model_dump_json(), timeout=10
    )
    assert (again.status_code, again.json()["outcome"]) == (200, "done")


def test_health_says_what_is_wrong(url: str, ledger: Ledger, place: Path, monkeypatch) -> None:
    def faults() -> str:
        answer = httpx.get(f"{url}/health")
        assert answer.status_code == 503
        return "; ".join(answer.json()["faults"])

    until("the ledger to be read", lambda: "the ledger" not in faults(), 10)
    assert "Kafka does not answer" in faults()
    assert "stood still" not in faults()
    monkeypatch.setattr(lookout, "STILL_S", 0.0)
    code = load(place).bundle.associations[0]
    assert f"association area {code} has stood still" in faults()
