"""The Grafana overview: made by code, laid out without overlap, and every query answered by a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest

from deploy.grafana.build import FILE, UID, overview
from runtime.configuration.loading import load
from runtime.process import EmbeddedProcess
from runtime.receivers.webhook import WebhookReceiver
from tests.servers.base import program, spare_port
from tests.servers.prometheus import Prometheus

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "tests" / "data" / "configurations" / "small"
TOKEN, SECRET = "let-me-in", "between-us"
VARIABLES = {"$__rate_interval": "10s", "$__interval": "10s", "$__range": "60s"}


def panels_of(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels, those inside rows too."""
    for panel in content.get("panels") or []:
        yield panel
        yield from panels_of(panel)


DASHBOARD = json.loads(FILE.read_text(encoding="utf-8"))
PANELS = list(panels_of(DASHBOARD))
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel.get("targets", [])]


def test_the_file_is_what_the_code_says():
    assert FILE.read_text(encoding="utf-8") == overview(), "run: python -m deploy.grafana.build"


def test_ids_are_unique_and_the_address_stays():
    ids = [panel["id"] for panel in PANELS]
    assert len(ids) == len(set(ids))
    assert DASHBOARD["uid"] == UID
    for panel in PANELS:
        letters = [target["refId"] for target in panel.get("targets", [])]
        assert len(letters) == len(set(letters)), panel["title"]


def test_no_panel_lies_over_another_or_outside():
    places = [(panel["title"], panel["gridPos"]) for panel in PANELS]
    for i, (title, a) in enumerate(places):
        assert a["x"] >= 0, title
        assert a["x"] + a["w"] <= 24, title
        for other, b in places[:i]:
            apart = (
                a["x"] + a["w"] <= b["x"]
                or b["x"] + b["w"] <= a["x"]
                or a["y"] + a["h"] <= b["y"]
                or b["y"] + b["h"] <= a["y"]
            )
            assert apart, f"{title} lies over {other}"


def test_every_source_is_the_variable():
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["type"], variable["name"], variable["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    sources = [panel["datasource"] for panel in PANELS if panel["type"] != "row"]
    sources += [target["datasource"] for panel in PANELS for target in panel.get("targets", [])]
    assert sources
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


def test_titles_are_chinese_and_panels_have_queries():
    for panel in PANELS:
        assert re.search(r"[一-鿿]", panel["title"]), panel["title"]
        assert panel["type"] == "row" or panel["targets"], panel["title"]


def test_the_number_of_a_level_has_words():
    (highest,) = [panel for panel in PANELS if panel["type"] == "state-timeline"]
    (mapping,) = highest["fieldConfig"]["defaults"]["mappings"]
    assert {key: one["text"] for key, one in mapping["options"].items()} == {
        "0": "无",
        "1": "蓝色（IV级）",
        "2": "黄色（III级）",
        "3": "橙色（II级）",
        "4": "红色（I级）",
    }


def test_every_metric_is_documented():
    documented = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    for title, expression in QUERIES:
        for name in re.findall(r"fenghuo_\w+", expression):
            assert f"`{re.sub('_bucket$', '', name)}`" in documented, f"{title}: {name}"


def plain(expression: str) -> str:
    """A query as Prometheus takes it, with Grafana's variables replaced."""
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_every_query_parses(title: str, expression: str):
    promql_parser.parse(plain(expression))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`fenghuo run` on a small place, with a webhook that takes notices; its address."""
    folder = tmp_path_factory.mktemp("grafana")
    shutil.copytree(SMALL, folder / "place")
    receiver = WebhookReceiver(SECRET)
    receiver.start()
    settings = {
        "status": "exercise",
        "ports": {"console": spare_port(), "broker": spare_port()},
        "channels": {"webhook": {"exercise_receiver": receiver.url}},
    }
    (folder / "place" / "fenghuo.yaml").write_text(json.dumps(settings), encoding="utf-8")
    environment = {"FENGHUO_TOKEN": TOKEN, "FENGHUO_WEBHOOK_SECRET": SECRET}
    process = EmbeddedProcess(load(folder / "place"), folder, environment)
    process.start()
    try:
        yield process.console.url
    finally:
        process.stop()
        receiver.stop()


def a_storm(url: str, mm_in_5_min: float) -> None:
    """Rain on all gauges over the last hour, one reading that is none, and the engine's answer to it."""
    stations = httpx.get(f"{url}/v1/stations", trust_env=False).json()
    now = datetime.now(UTC).replace(microsecond=0)
    readings = [
        {
            "kind": "rain",
            "station": station,
            "observed_at": (now - timedelta(minutes=5 * k)).isoformat(),
            "interval_s": 300,
            "rain_mm": round(mm_in_5_min + 0.1 * (k % 7), 1),
        }
        for k in reversed(range(12))
        for station, kind, *_ in stations
        if kind == "rain"
    ]
    answer = httpx.post(
        f"{url}/v1/readings",
        json=[*readings, {"kind": "rain", "station": "nowhere"}],
        headers={"authorization": f"Bearer {TOKEN}"},
        trust_env=False,
        timeout=30,
    )
    assert answer.json()["accepted"] == len(readings)
    assert len(answer.json()["rejected"]) == 1


def test_every_query_is_answered_from_a_running_engine(prometheus: Prometheus, running: str):
    target = running.removeprefix("http://")
    prometheus.scrape("fenghuo", target)
    a_storm(running, 9.0)
    prometheus.wait_until(lambda: bool(prometheus.query('sum(fenghuo_notices{state="delivered"}) > 0')), 60)
    unanswered = dict.fromkeys((title, plain(expression)) for title, expression in QUERIES)

    def all_answered() -> bool:
        # A rate needs two scrapes after the first event of its kind; an error of a query fails at once.
        for one in list(unanswered):
            if prometheus.query(one[1]):
                del unanswered[one]
        return not unanswered

    try:
        prometheus.wait_until(all_answered, 40)
    except TimeoutError:
        pytest.fail(f"no answer to {list(unanswered)}")
    red = prometheus.query('sum by (name) (fenghuo_alerts_in_force{hazard="rainstorm"}) > 0')
    assert red
    assert all(re.search(r"[一-鿿]", one["metric"]["name"]) for one in red)


@pytest.mark.parametrize(("what", "file"), [("config", "prometheus.yml"), ("rules", "rules.yml")])
def test_prometheus_takes_the_shipped_configuration(prometheus: Prometheus, what: str, file: str):
    tool = program("promtool")
    checked = subprocess.run(
        [tool, "check", what, str(ROOT / "deploy" / "prometheus" / file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_the_rules_watch_is_documented():
    rules = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    documented = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    for name in re.findall(r"\bfenghuo_\w+", rules):
        assert f"`{name}`" in documented, name
