"""Malformed payloads over real MQTT and HTTP into `fenghuo run`: all kept as rejects, and the next good one is scored."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from alerting.ledger import Ledger
from tests.runtime.running import Running, settings_of, spare_port, until
from tests.runtime.valley import failing_slope, write_valley
from tests.servers.mosquitto import Mosquitto

BAD: dict[str, list[bytes]] = {
    "not_json": [b"{", b'{"kind":"rain","rain_mm":NaN}', b"'rain'", b'{"station":"\\ud800"}'],
    "not_text": [b"\xff\xfe\x00", b'{"kind":"\xc3\x28"}'],
    "blank": [b"", b"  \n", b"[]"],
    "too_deep": [b"[" * 100_000, b'{"a":' * 50_000],
    "too_large": [b"[" + b"7," * 5 * 1024 * 1024 + b"7]"],
    "invalid": [
        b"{}",
        b"7",
        b'{"kind":"rain","station":"RG-0"}',
        b'{"kind":"landslide","station":"LS-1","observed_at":1}',
    ],
}


@pytest.mark.parametrize("way", ["mqtt", "http"])
def test_malformed_payloads_stop_nothing(way: str, mosquitto: Mosquitto, tmp_path: Path) -> None:
    console, data = spare_port(), tmp_path / "data"
    place = write_valley(tmp_path / "config", 4, settings_of(mosquitto.port, console))
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    slope = [json.dumps(reading).encode() for reading in failing_slope(1, end)]
    expected = Counter({reason: len(bad) for reason, bad in BAD.items()})
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(mosquitto.host, mosquitto.port)
    client.loop_start()
    with Running(place, data, console) as engine:

        def send(payload: bytes, station: str = "LS-1") -> httpx.Response | None:
            if way == "http":
                return engine.post("/v1/readings", payload)
            client.publish(f"readings/landslide/{station}", payload, qos=1).wait_for_publish(30)
            return None

        until("health", lambda: engine.health()["status_code"] == 200)
        for reason, bad in BAD.items():
            for payload in bad:
                answer = send(payload)
                if answer is not None:
                    assert answer.status_code == 422
                    assert {one["reason"] for one in answer.json()["rejected"]} == {reason}
        if way == "mqtt":
            send(slope[0], station="LS-2")
            expected["wrong_topic"] = 1
        for payload in slope:
            send(payload)
        with Ledger.open(str(data / "state.db")) as ledger:
            until("an alert", lambda: [a for a in ledger.alerts_in_force() if a.hazard == "landslide"])
            assert Counter(reject.reason.value for reject in ledger.rejects()) == expected
        if way == "http":
            without = httpx.post(engine.url + "/v1/readings", content=slope[0])
            assert without.status_code == 401
        assert engine.health()["status_code"] == 200
        assert engine.stop() == 0
    client.disconnect()
    client.loop_stop()
