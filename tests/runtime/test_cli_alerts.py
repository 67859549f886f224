"""`fenghuo alerts` against the real console: what an operator sees and does from a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from alerting.ledger import Ledger
from console.app import create_app
from console.feed import Feed
from console.site import Health, Site
from runtime.cli import fenghuo
from runtime.configuration.loading import load
from runtime.page.server import ConsoleServer
from tests.alerting.ledger.making import AREA, NOW, a_notice, a_release, an_act, an_alert
from tests.servers.base import spare_port

SMALL = Path(__file__).parent.parent / "data" / "configurations" / "small"


class Engine:
    """The ledger and the console, with an act's judgement that the test gives."""

    def __init__(self, ledger):
        self.acts = []
        self.refuse = None
        self.slow = False
        self.wants_another = False
        site = Site(
            bundle=load(SMALL).bundle,
            ledger=ledger,
            feed=Feed(),
            submit=lambda _: None,
            act=self.act,
            receive=ledger.add_receipt,
            health=lambda: Health(True, ()),
            now_us=lambda: NOW,
            posts={},
            outlines=None,
            token="let-me-in",
        )
        self.server = ConsoleServer(create_app(site), "127.0.0.1", 0)

    def act(self, act):
        self.acts.append(act)
        if self.wants_another:
            act = act.model_copy(update={"content": {"still_needed": 1}})
        return None if self.slow else act.judged(self.refuse)


@pytest.fixture
def engine(tmp_path):
    with Ledger.open(str(tmp_path / "state.db")) as ledger:
        ledger.write_decisions(
            AREA,
            1,
            alerts=[
                an_alert(),
                an_alert(version=2, level=4),
                an_alert("a-2"),
                an_alert("a-2", 2, type="cancel", level=0),
            ],
            notices=[a_notice(), a_notice(channel="broadcast", state="held", audience="public")],
            releases=[a_release(automatic=True)],
            acts=[an_act()],
        )
        made = Engine(ledger)
        made.server.start()
        yield made
        made.server.stop()


def fenghuo_alerts(engine, *words, token="let-me-in"):
    environment = {"FENGHUO_URL": engine.server.url, "FENGHUO_TOKEN": token, "FENGHUO_OPERATOR": "值班员"}
    return CliRunner(env=environment).invoke(fenghuo, ["alerts", *words])


def test_list_has_what_is_in_force(engine):
    result = fenghuo_alerts(engine, "list")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("a-1 v2 07-02 21:48 变更 红色（I级） 511921100 山洪灾害橙色预警")
    assert "a-2" not in result.stdout
    assert "a-2 v2 07-02 21:48 解除" in fenghuo_alerts(engine, "list", "--all").stdout


def test_show_has_versions_people_and_acts(engine):
    result = fenghuo_alerts(engine, "show", "a-1")
    assert result.exit_code == 0, result.output
    for line in (
        "a-1 v1",
        "a-1 v2",
        "responsible  sms        due         1",
        "public       broadcast  held        1",
    ):
        assert line in result.stdout
    assert "release of version 1 to public, 自动发布" in result.stdout
    assert "release by duty" in result.stdout
    assert "observed" not in result.stdout
    told = fenghuo_alerts(engine, "show", "a-1", "--notices").stdout
    for line in ("sms due\n    observed ", "    received ", "    due "):
        assert line in told
    answer = json.loads(fenghuo_alerts(engine, "show", "a-1", "--json").stdout)
    assert [version["version"] for version in answer["versions"]] == [1, 2]


@pytest.mark.parametrize(
    ("words", "act"),
    [
        (["ack", "a-1"], "acknowledge"),
        (["release", "a-1"], "release"),
        (["cancel", "a-1", "--reason", "误报"], "cancel"),
    ],
)
def test_an_act_names_the_version_that_stands(engine, words, act):
    result = fenghuo_alerts(engine, *words)
    assert result.exit_code == 0, result.output
    assert f"{act} a-1 done" in result.stdout
    (posted,) = engine.acts
    assert (posted.act, posted.by, posted.alert, posted.version) == (act, "值班员", "a-1", 2)
    assert posted.outcome is None


def test_a_cancel_that_waits_for_a_second_person_is_not_called_done(engine):
    engine.wants_another = True
    result = fenghuo_alerts(engine, "cancel", "a-1", "--reason", "误报")
    assert result.exit_code == 0, result.output
    assert "cancel a-1 waits" in result.stdout
    assert "done" not in result.stdout


def test_issue_sends_what_is_given_and_no_more(engine, tmp_path):
    more = tmp_path / "more.json"
    more.write_text('{"areas": ["511921100201"]}')
    words = [
        "issue",
        "--hazard",
        "flash_flood",
        "--level",
        "orange",
        "--area",
        "511921100",
        "--reason",
        "巡查发现",
    ]
    result = fenghuo_alerts(engine, *words, "--headline", "山洪来了", "--content", str(more))
    assert result.exit_code == 0, result.output
    (posted,) = engine.acts
    assert posted.content == {
        "hazard": "flash_flood",
        "level": 3,
        "area": "511921100",
        "headline": "山洪来了",
        "areas": ["511921100201"],
    }


def test_a_refusal_exits_with_1_and_says_why(engine):
    engine.refuse = "version 1 is stale: the alert is at version 2"
    result = fenghuo_alerts(engine, "release", "a-1")
    assert result.exit_code == 1
    assert "release refused: version 1 is stale" in result.stderr


def test_a_judgement_that_takes_longer_is_told_so(engine):
    engine.slow = True
    assert "not judged yet" in fenghuo_alerts(engine, "ack", "a-1").stdout


def test_two_acts_of_one_person_are_two(engine):
    fenghuo_alerts(engine, "ack", "a-1")
    fenghuo_alerts(engine, "ack", "a-1")
    assert len({act.id for act in engine.acts}) == 2


def test_what_goes_wrong_is_one_plain_line(engine):
    unknown = fenghuo_alerts(engine, "show", "a-9")
    assert (unknown.exit_code, unknown.stderr.strip()) == (
        1,
        "Error: there is no alert a-9; `fenghuo alerts list --all` has them",
    )
    assert "refuses the token" in fenghuo_alerts(engine, "ack", "a-1", token="wrong").stderr
    nobody = CliRunner().invoke(fenghuo, ["alerts", "list", "--url", f"http://127.0.0.1:{spare_port()}"])
    assert "no engine answers" in nobody.stderr
    assert fenghuo_alerts(engine, "cancel", "a-1").exit_code == 2  # an end wants a reason
    assert len(engine.acts) == 0
