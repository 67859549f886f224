"""The API: what needs the token, what is taken and refused, what comes out and with which headers."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from console import api
from console.app import SECURITY, create_app
from ingest.arrival import Settled
from ingest.decoders.canonical import MAX_BYTES
from runtime.page.server import ConsoleServer
from schemas.hazard import Hazard
from schemas.notice import NoticeState
from schemas.reject import Reject, RejectReason
from schemas.times import HOUR, MINUTE, SECOND, from_micros, rfc3339
from tests.alerting import town
from tests.alerting.ledger.making import a_release, an_act
from tests.console.conftest import NOW, TOKEN, a_silent_station, an_alert_of, told

BEARER = {"authorization": f"Bearer {TOKEN}"}
POSTS = ("/v1/readings", "/v1/acts", "/v1/receipts")
READING = {"kind": "rain", "station": "R-1", "observed_at": rfc3339(NOW), "interval_s": 300, "rain_mm": 1.5}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("given", [{}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN[:-1]}])
def test_what_changes_anything_needs_the_token(client, office, path, given):
    answer = client.post(path, json=READING, headers=given)
    assert answer.status_code == 401
    assert "Authorization: Bearer" in answer.json()["error"]
    assert not office.arrivals
    assert not office.acts


def test_every_route_that_takes_something_is_guarded():
    taking = [route for route in api.routes() if route.methods and "POST" in route.methods]
    assert {route.path for route in taking} == set(POSTS)


def test_readings_are_answered_when_they_are_in_the_log(client, office):
    office.settled = Settled(2, (), ("colour",))
    answer = client.post("/v1/readings", json=[READING, READING], headers=BEARER)
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 2, "rejected": [], "unknown_fields": ["colour"]}
    (arrival,) = office.arrivals
    assert json.loads(arrival.payload) == [READING, READING]
    assert arrival.source == "http:127.0.0.1"


def test_a_body_without_any_reading_is_422_with_the_reasons(client, office):
    reject = Reject(
        id="j-1",
        received_at=from_micros(NOW),
        source="http:127.0.0.1",
        reason=RejectReason.UNKNOWN_STATION,
        detail="there is no station X",
        payload="{}",
    )
    office.settled = Settled(0, (reject,), ())
    answer = client.post("/v1/readings", content=b"{}", headers=BEARER)
    assert answer.status_code == 422
    assert answer.json()["rejected"] == [
        {"id": "j-1", "reason": "unknown_station", "detail": "there is no station X"}
    ]


def test_a_log_that_does_not_answer_is_503(client, office, monkeypatch):
    monkeypatch.setattr(api, "DURABLE_WAIT_S", 0.05)
    office.settled = None
    answer = client.post("/v1/readings", json=READING, headers=BEARER)
    assert answer.status_code == 503
    assert "again" in answer.json()["error"]


def test_a_huge_body_is_read_no_further_than_needed(client, office):
    office.settled = Settled(0, (), ())
    client.post("/v1/readings", content=b"[" + b" " * (MAX_BYTES * 2), headers=BEARER)
    (arrival,) = office.arrivals
    assert MAX_BYTES < len(arrival.payload) < MAX_BYTES + 1_000_000


ACT = {"id": "x-1", "act": "acknowledge", "by": "duty", "at": rfc3339(NOW), "alert": "a-1", "version": 1}


def test_an_act_is_answered_with_its_judgement(client, office):
    answer = client.post("/v1/acts", json=ACT, headers=BEARER)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "done")
    office.refuse = "there is no such alert"
    answer = client.post("/v1/acts", json={**ACT, "id": "x-2"}, headers=BEARER)
    assert (answer.status_code, answer.json()["refused_because"]) == (409, "there is no such alert")
    office.slow = True
    answer = client.post("/v1/acts", json={**ACT, "id": "x-3"}, headers=BEARER)
    assert (answer.status_code, answer.json()) == (202, {"id": "x-3", "outcome": None})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/acts", {**ACT, "act": "explode"}),
        ("/v1/acts", {**ACT, "more": 1}),
        ("/v1/acts", []),
        ("/v1/receipts", {"notice": "n-1", "state": "eaten", "at": rfc3339(NOW)}),
        ("/v1/receipts", {"notice": "n-1", "state": "played", "at": "yesterday"}),
    ],
)
def test_what_is_no_act_or_receipt_is_422_with_the_field(client, office, path, body):
    answer = client.post(path, json=body, headers=BEARER)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert not office.acts


def test_a_receipt_moves_its_notice(client, office):
    alert = an_alert_of()
    notice = told(alert.id)
    office.decide(alert, notices=(notice,))
    (claim,) = office.ledger.claim_due(NOW, 5, "w", 60, machine_us=0)
    body = {"notice": notice.id, "state": "played", "at": rfc3339(NOW + SECOND), "device": "horn 1"}
    assert claim.notice.id == notice.id
    assert client.post("/v1/receipts", json=body, headers=BEARER).status_code == 204
    assert office.ledger.notice(notice.id).state is NoticeState.DELIVERED
    unknown = client.post("/v1/receipts", json={**body, "notice": "n-none"}, headers=BEARER)
    assert unknown.status_code == 404


def test_alerts_are_those_in_force_and_with_all_the_ended_ones_too(client, office):
    standing = an_alert_of(area=town.TOWNSHIP)
    ended = an_alert_of(area=town.OTHER_TOWNSHIP)
    cancel = an_alert_of(area=town.OTHER_TOWNSHIP, version=2, type="cancel", level=0, previous_level=3)
    run_out = an_alert_of(area="511922102").model_copy(update={"expires_at": from_micros(NOW - SECOND)})
    office.decide(standing, ended, cancel, run_out)
    assert [a["id"] for a in client.get("/v1/alerts").json()] == [standing.id]
    every = client.get("/v1/alerts?all=1").json()
    assert {(a["id"], a["version"]) for a in every} == {
        (standing.id, 1),
        (ended.id, 1),
        (cancel.id, 2),
        (run_out.id, 1),
    }


def test_one_alert_comes_with_all_that_is_known_of_it(client, office):
    alert = an_alert_of()
    act = an_act(alert=alert.id, act="acknowledge").judged()
    office.decide(alert, notices=(told(alert.id),), releases=(a_release(alert.id),), acts=(act,))
    found = client.get(f"/v1/alerts/{alert.id}").json()
    assert [version["headline"] for version in found["versions"]] == [alert.headline]
    assert [(n["post"], n["state"]) for n in found["notices"]] == [("铁炉坝村responsible", "due")]
    assert [one["audience"] for one in found["releases"]] == ["public"]
    assert [one["outcome"] for one in found["acts"]] == ["done"]
    missing = client.get("/v1/alerts/a-none")
    assert (missing.status_code, missing.json()) == (404, {"error": "there is no alert a-none"})


def test_rejects_are_shown(client, office):
    office.ledger.add_rejects(
        [
            Reject(
                id="j-1",
                received_at=from_micros(NOW),
                source="mqtt",
                reason=RejectReason.UNKNOWN_STATION,
                detail="X",
                payload="{}",
            )
        ]
    )
    assert [one["id"] for one in client.get("/v1/rejects").json()] == ["j-1"]


@pytest.mark.parametrize("path", ["/v1/areas", "/v1/stations", "/v1/outlines"])
def test_what_does_not_change_is_sent_once(client, path):
    first = client.get(path)
    assert first.status_code == 200
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_areas_and_stations_are_rows(client):
    assert ["511922", "南江县", "county", "5119", 106.84, 32.35] in client.get("/v1/areas").json()
    assert ["R-1", "rain", "铁炉坝雨量站", 106.81, 32.51, town.VILLAGE] in client.get("/v1/stations").json()


def test_health_tells_the_faults(client, office):
    assert client.get("/health").json() == {"healthy": True, "faults": [], "probe_age_s": 1.5}
    office.faults = ("the log cannot be written: disk full",)
    sick = client.get("/health")
    assert sick.status_code == 503
    assert sick.json()["faults"] == ["the log cannot be written: disk full"]


@pytest.mark.parametrize("path", ["/", "/v1/alerts", "/v1/board", "/health", "/metrics", "/nothing"])
def test_every_answer_carries_the_headers_that_keep_the_page_safe(client, path):
    headers = client.get(path).headers
    for name, value in SECURITY.items():
        assert headers[name] == value
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]


def _events(client: httpx.Client, office, tell) -> list[tuple[str, dict]]:
    """The events until `tell`, called once the stream stands, has been answered by one of its own."""
    found: list[tuple[str, dict]] = []
    with client.stream("GET", "/v1/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in stream.headers
        name = ""
        for line in stream.iter_lines():
            if line.startswith("event:"):
                name = line.partition(":")[2].strip()
            elif line.startswith("data:"):
                found.append((name, json.loads(line.partition(":")[2])))
                if len(found) == 1:
                    tell()
                elif name not in ("clock",):
                    return found
    return found


def test_events_bring_the_clock_and_each_alert(client, office):
    alert = an_alert_of()
    found = _events(client, office, lambda: office.decide(alert))
    assert found[0] == ("clock", {"now": rfc3339(NOW)})
    name, told_of = found[-1]
    assert (name, told_of["id"], told_of["version"]) == ("alert", alert.id, 1)


def test_a_ledger_that_another_process_writes_is_seen(client, office):
    found = _events(client, office, lambda: office.decide(an_alert_of(), told=False))
    assert found[-1][0] == "board"


def test_a_notice_that_moves_is_seen(client, office):
    alert = an_alert_of()
    office.decide(alert, notices=(told(alert.id),))
    found = _events(client, office, lambda: office.ledger.claim_due(NOW, 5, "w", 60, machine_us=0))
    assert found[-1][0] == "board"


def test_nothing_is_watched_while_no_page_is_open(client, office):
    _events(client, office, lambda: office.decide(an_alert_of()))
    watch = office.app.state.watch
    for _ in range(100):
        if watch._task is None:
            break
        client.get("/health")
    assert watch._task is None


def test_an_open_page_does_not_keep_the_process_from_ending(office):
    server = ConsoleServer(create_app(office.site), "127.0.0.1", 0)
    server.start()
    with httpx.stream("GET", f"{server.url}/v1/events", trust_env=False) as stream:
        next(stream.iter_lines())
        began_s = time.monotonic()
        server.stop()
        assert time.monotonic() - began_s < 5


def test_metrics_say_what_stands(client, office):
    red = an_alert_of(Hazard.LANDSLIDE, 4, town.VILLAGE)
    quake = an_alert_of(Hazard.EARTHQUAKE, 3, town.CITY, tiers=("city", "county"))
    office.decide(red, quake, a_silent_station(), notices=(told(red.id),))
    office.now = NOW + MINUTE
    lines = client.get("/metrics").text.splitlines()
    county = 'fenghuo_alerts_in_force{county="511922",hazard="landslide",level="red",name="南江县"} 1.0'
    assert county in lines
    assert (
        'fenghuo_alerts_in_force{county="5119",hazard="earthquake",level="orange",name="巴中市"} 1.0' in lines
    )
    assert 'fenghuo_alerts_in_force_by_tier{level="red",tier="village"} 1.0' in lines
    assert 'fenghuo_alerts_in_force_by_tier{level="orange",tier="village"} 0.0' in lines
    assert 'fenghuo_stations_silent{kind="rain"} 1.0' in lines
    assert 'fenghuo_stations_faulty{kind="rain"} 0.0' in lines
    assert 'fenghuo_notices{channel="sms",state="due",tier="village"} 1.0' in lines
    assert "fenghuo_healthy 1.0" in lines
    office.now = NOW + 30 * HOUR  # the alerts have run out, the notices are of yesterday
    office.app.state.board._read_until_s = 0.0
    office.faults = ("stopped",)
    lines = client.get("/metrics").text.splitlines()
    assert county.replace(" 1.0", " 0.0") in lines
    assert 'fenghuo_notices{channel="sms",state="due",tier="village"} 0.0' in lines
    assert "fenghuo_healthy 0.0" in lines
