"""The board: order, words, caps, what is coloured, how notices are counted, and how seldom the ledger is asked."""

from __future__ import annotations

import time

import pytest

from alerting.ledger.queries import StateChange
from console import board as boards
from console import wording
from console.detail import detail
from console.told import Told
from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.notice import NoticeState
from schemas.times import DAY, HOUR, MINUTE, SECOND, from_micros, rfc3339
from tests.alerting import town
from tests.alerting.ledger.making import an_act
from tests.console.conftest import NOW, a_silent_station, an_alert_of, told


@pytest.fixture
def board(office, monkeypatch):
    monkeypatch.setattr(boards, "_FRESH_S", 0.0)
    monkeypatch.setattr(boards, "_SHARE", 0.0)
    return office.app.state.board


def test_red_stands_first_and_each_level_is_counted(office, board):
    office.decide(
        an_alert_of(Hazard.RAINSTORM, 1, town.COUNTY, evidence={"window_h": 12, "rain_mm": 51.0}),
        an_alert_of(Hazard.LANDSLIDE, 4, town.VILLAGE),
        an_alert_of(Hazard.FLASH_FLOOD, 3, town.TOWNSHIP),
        a_silent_station(),
    )
    picture = board.picture("zh")
    assert [one["level_words"] for one in picture["alerts"]] == [
        "红色（I级）",
        "橙色（II级）",
        "蓝色（IV级）",
    ]
    assert [(one["words"], one["count"]) for one in picture["levels"]] == [
        ("红色", 1),
        ("橙色", 1),
        ("黄色", 0),
        ("蓝色", 1),
    ]
    assert [one["word"] for one in picture["instruments"]] == ["失联"]
    assert picture["alerts_total"] == 3


@pytest.mark.parametrize(
    ("alert", "measured"),
    [
        (an_alert_of(), "发生山洪灾害可能性大，过去3小时雨量61.5毫米（标准60毫米）"),
        (
            an_alert_of(Hazard.LANDSLIDE, 4, town.VILLAGE),
            "滑坡风险很高，变形速率169.21毫米/天，切线角89.7度，推算7月18日15时00分前后可能失稳",
        ),
        (a_silent_station(), "没有数据"),
    ],
)
def test_what_was_measured_is_said_without_the_place(office, board, alert, measured):
    assert board.summary(alert, "zh")["measured"] == measured


def test_english_is_worded_too(office, board):
    summary = board.summary(an_alert_of(), "en")
    assert summary["level_words"] == "Orange (grade II)"
    assert summary["hazard_words"] == "Flash flood"
    assert summary["measured"] == "61.5 mm in 3 h (threshold 60)"


@pytest.mark.parametrize(
    ("area", "areas", "fill"),
    [
        (town.TOWNSHIP, (town.TOWNSHIP,), [town.TOWNSHIP]),
        # All villages of a township: the township.
        (town.TOWNSHIP, (town.TOWNSHIP, town.VILLAGE, town.NEXT_VILLAGE), [town.TOWNSHIP]),
        (town.TOWNSHIP, (town.TOWNSHIP, town.VILLAGE), [town.VILLAGE]),
        # Townships of a county, with a village of one of them: the townships.
        (town.COUNTY, (town.COUNTY, town.TOWNSHIP, town.VILLAGE), [town.TOWNSHIP]),
        ("519999", ("519999",), ["519999"]),
    ],
)
def test_a_map_colours_the_largest_parts_that_are_named(office, board, area, areas, fill):
    assert board.summary(an_alert_of(area=area, areas=areas), "zh")["fill"] == [
        (code, "orange") for code in fill
    ]


def test_a_quake_colours_each_part_by_what_is_expected_there(office, board):
    quake = an_alert_of(
        Hazard.EARTHQUAKE,
        4,
        town.CITY,
        evidence={
            "origin_at": rfc3339(NOW - 8 * SECOND),
            "magnitude": 5.3,
            "areas": {
                town.COUNTY: {"level": 4, "intensity": 7.1, "s_arrival_at": rfc3339(NOW - SECOND)},
                town.OTHER_COUNTY: {"level": 2, "intensity": 4.6, "s_arrival_at": rfc3339(NOW + 7 * SECOND)},
                town.TOWNSHIP: {"level": 4, "intensity": 7.0, "s_arrival_at": rfc3339(NOW - SECOND)},
                town.OTHER_TOWNSHIP: {
                    "level": 1,
                    "intensity": 4.0,
                    "s_arrival_at": rfc3339(NOW + 8 * SECOND),
                },
            },
        },
    )
    summary = board.summary(quake, "zh")
    assert summary["fill"] == [(town.TOWNSHIP, "red"), (town.OTHER_TOWNSHIP, "blue")]
    assert "地震波约7秒后到达" in summary["measured"]
    office.now = NOW + 10 * SECOND  # a page stands longer than a message: no countdown that is over
    assert "秒后到达" not in board.summary(quake, "zh")["measured"]


def test_a_list_is_capped_and_the_rest_is_a_number(office, board, monkeypatch):
    monkeypatch.setattr(boards, "LISTED", 2)
    office.decide(
        *[an_alert_of(chain=f"a-{i}") for i in range(5)], *[a_silent_station(f"R-{i}") for i in range(4)]
    )
    picture = board.picture("zh")
    assert (len(picture["alerts"]), picture["alerts_total"]) == (2, 5)
    assert (len(picture["instruments"]), picture["instruments_total"]) == (2, 4)


def test_what_has_run_out_or_ended_is_not_in_force(office, board):
    office.decide(an_alert_of())
    assert board.picture("zh")["alerts_total"] == 1
    office.now = NOW + 6 * HOUR + SECOND
    assert board.picture("zh")["alerts_total"] == 0


def test_an_acknowledged_version_says_so_until_the_next(office, board):
    first = an_alert_of()
    office.decide(first, acts=(an_act(alert=first.id, act="acknowledge", version=1),))
    assert board.picture("zh")["alerts"][0]["acknowledged"] is True
    office.decide(an_alert_of(version=2, level=4, previous_level=3))
    assert board.picture("zh")["alerts"][0]["acknowledged"] is False


def test_the_ledger_is_asked_at_most_a_few_times_a_second(office, monkeypatch):
    asked: list[int] = []
    real = office.ledger.alerts_in_force

    def counted(now):
        asked.append(now)
        return real(now)

    monkeypatch.setattr(office.ledger, "alerts_in_force", counted)
    began_s = time.monotonic()
    for _ in range(200):
        office.app.state.board.picture("zh")
    took_s = time.monotonic() - began_s
    assert len(asked) <= 1 + took_s / boards._FRESH_S


def test_the_board_of_a_storm_is_small(office, board):
    """1,800 villages at once: what a page reads stays below 200 kB."""
    office.decide(*[an_alert_of(chain=f"a-{i}") for i in range(1_800)], told=False)
    picture = board.picture("zh")
    assert picture["alerts_total"] == 1_800
    import json

    assert len(json.dumps(picture, ensure_ascii=False).encode()) < 200_000


def test_notices_are_counted_by_tier_and_group(office, board):
    alert = an_alert_of()
    held = told(alert.id, recipient=f"{town.VILLAGE}-loudspeaker", channel="broadcast", state="held")
    office.decide(alert, notices=(told(alert.id), told(alert.id, recipient=f"{town.CITY}-duty"), held))
    claims = office.ledger.claim_due(NOW, 5, "w", 60, machine_us=0)
    office.settle(claims[:1], NoticeState.DELIVERED)
    office.settle(claims[1:], NoticeState.PARKED)
    picture = board.picture("zh")
    rows = {tier["words"]: tier for tier in picture["tiers"]}
    assert list(rows) == ["市", "县区", "乡镇街道", "村社区"]
    by_channel = {claim.notice.tier: i for i, claim in enumerate(claims)}
    delivered, parked = [next(t for t, i in by_channel.items() if i == n) for n in (0, 1)]
    names = {Tier.CITY: "市", Tier.VILLAGE: "村社区"}
    assert rows[names[delivered]]["arrived"] == 1
    assert rows[names[parked]]["trouble"] == 1
    assert rows["村社区"]["waiting"] == 1
    assert [one["state"] for one in picture["recent"]] == ["搁置待处理", "已送达"]


def test_one_alert_in_all_its_detail(office, board):
    alert = an_alert_of(Hazard.LANDSLIDE, 4, town.VILLAGE)
    later = an_alert_of(
        Hazard.LANDSLIDE, 4, town.VILLAGE, version=2, previous_level=4, reaches_people=False,
        missing_since=from_micros(NOW - HOUR),
    )  # fmt: skip
    office.decide(
        alert, later, notices=(told(alert.id, text="短信"),), acts=(an_act(alert=alert.id, act="cancel"),)
    )
    found = detail(board, office.site, alert.id, "zh")
    assert found is not None
    assert [one["version"] for one in found["versions"]] == [2, 1]
    assert [one["reaches_people"] for one in found["versions"]] == [False, True]
    assert ("变形速率", "169.21毫米/天") in found["evidence"]
    assert ("推算失稳时间", "7月18日15时00分") in found["evidence"]
    assert found["against"] == ["仅一种仪器"]
    assert found["stations"] == ["铁炉坝滑坡点"]
    assert found["missing"] == "07-18 13:00"
    assert found["sms"] == "短信"
    assert [(one["post"], one["state"], one["version"]) for one in found["notices"]] == [
        ("铁炉坝村responsible", "待发送", 1)
    ]
    assert [name for name, _, _ in found["notices"][0]["hops"]] == ["观测", "接收", "应发"]
    assert [one["what"] for one in found["acts"]] == ["解除"]
    assert detail(board, office.site, "a-none", "zh") is None


def test_the_way_of_a_notice_in_time_as_far_as_it_is_known():
    steps = {"observed": NOW - 90 * SECOND, "received": NOW, "logged": None, "decided": NOW + SECOND // 4}
    assert wording.way(steps, "en") == [
        ("observed", "13:58:30", ""),
        ("received", "14:00:00", "+2 min"),
        ("decided", "14:00:00", "+0.25 s"),
    ]


class Rows:
    """A ledger that has just these rows."""

    def __init__(self, *rows: StateChange) -> None:
        self.rows = sorted(rows)

    def state_changes(self, after: int = 0, limit: int = 1000) -> list[StateChange]:
        return [row for row in self.rows if row.sequence > after][:limit]


def row(sequence: int, notice: str, state: NoticeState, at_us: int | None = NOW) -> StateChange:
    return StateChange(sequence, notice, state, at_us, "p-1", "sms")


def counts(told: Told) -> dict[NoticeState, int]:
    return {state: n for (_, _, state), n in told.counts().items()}


def test_what_is_older_than_a_day_is_forgotten_unless_it_waits():
    S = NoticeState
    ledger = Rows(
        row(1, "old", S.DUE), row(2, "old", S.SENT), row(3, "waits", S.HELD), row(4, "stuck", S.PARKED)
    )
    told = Told(ledger, {"p-1": Tier.VILLAGE})
    told.catch_up(NOW + MINUTE)
    assert counts(told) == {S.SENT: 1, S.HELD: 1, S.PARKED: 1}
    told.catch_up(NOW + DAY + MINUTE)
    assert counts(told) == {S.HELD: 1, S.PARKED: 1}
    ledger.rows.append(row(5, "old", S.DELIVERED, NOW + DAY + MINUTE))
    told.catch_up(NOW + DAY + 2 * MINUTE)
    assert counts(told)[S.DELIVERED] == 1


def test_a_row_that_becomes_visible_late_is_counted():
    """PostgreSQL gives numbers before it commits: 3 may be seen after 4."""
    S = NoticeState
    ledger = Rows(row(1, "a", S.DUE), row(4, "b", S.SENT))
    told = Told(ledger, {})
    told.catch_up(NOW)
    ledger.rows = sorted([*ledger.rows, row(3, "a", S.SENT), row(2, "b", S.DUE)])
    before = told.revision
    told.catch_up(NOW)
    assert counts(told) == {S.SENT: 2}
    assert told.revision == before + 1
    told.catch_up(NOW)
    assert told.revision == before + 1


def test_a_long_history_is_read_in_pieces(monkeypatch):
    from console import told as module

    monkeypatch.setattr(module, "_ROWS", 7)
    told = Told(Rows(*[row(i, f"n-{i}", NoticeState.SENT) for i in range(1, 101)]), {})
    told.catch_up(NOW)
    assert counts(told) == {NoticeState.SENT: 100}
    assert [one.sequence for one in told.recent(3)] == [100, 99, 98]
