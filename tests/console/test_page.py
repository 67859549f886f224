"""The page in a real browser: what an officer sees, live, by keyboard, on a phone, and when data are hostile."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from console import words
from runtime.page.server import ConsoleServer
from schemas.alert import Origin
from schemas.hazard import Hazard
from schemas.notice import NoticeState
from schemas.times import MINUTE
from tests.alerting import town
from tests.alerting.ledger.making import a_release, an_act
from tests.console.conftest import NOW, a_silent_station, an_alert_of, told

RED = an_alert_of(Hazard.LANDSLIDE, 4, town.VILLAGE, position=(106.81, 32.51))
ORANGE = an_alert_of(Hazard.FLASH_FLOOD, 3, town.TOWNSHIP)


def quiet(page: Page) -> list[str]:
    """What the page's console says that it should not."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    return said


def place_of(page: Page, selector: str) -> dict[str, float]:
    """Where an element stands."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


def see(chromium, url, look, width_px=1440, height_px=900):
    """Visit, wait until the page has its first board and its map, look, and find nothing wrong in its console."""

    def ready(page: Page):
        said = quiet(page)
        page.reload()
        page.wait_for_selector("#alerts[data-ready]", state="attached")
        page.wait_for_selector("#map[data-ready]", state="attached")
        seen = look(page)
        assert not said
        return seen

    return chromium.visit(url, ready, width_px, height_px)


def test_a_new_alert_appears_without_a_reload(chromium, served, office):
    def look(page: Page):
        expect(page.locator("#alerts")).to_contain_text("当前没有在效预警")
        page.evaluate("window.stillHere = true")
        office.decide(ORANGE)
        expect(page.locator("#alerts button.card")).to_have_count(1)
        card = page.locator("#alerts button.card").first
        expect(card).to_contain_text("橙色（II级）")
        expect(card).to_contain_text("山洪灾害")
        expect(card).to_contain_text("南江县光雾山镇")
        expect(card).to_contain_text("过去3小时雨量61.5毫米（标准60毫米）")
        office.decide(RED)
        expect(page.locator("#alerts button.card").first).to_contain_text("红色（I级）")
        expect(page.locator("#announce")).to_have_text("新的红色预警：南江县光雾山镇铁炉坝村 滑坡")
        expect(page.locator("#levels li.level-red b")).to_have_text("1")
        office.decide(an_alert_of(area=town.TOWNSHIP, version=2, type="cancel", level=0, previous_level=3))
        expect(page.locator("#alerts button.card")).to_have_count(1)
        assert page.evaluate("window.stillHere")

    see(chromium, served, look)


def test_the_number_of_a_level_is_never_shown(chromium, served, office):
    office.decide(RED, ORANGE)

    def look(page: Page):
        page.click("#alerts button.card")
        page.wait_for_selector("#detail:not([hidden]) .versions")
        text = page.locator("body").inner_text()
        assert not re.search(r"[1-4]\s*级", text)
        assert "红色（I级）" in text

    see(chromium, served, look)


def test_one_alert_opens_with_its_texts_figures_and_who_was_told(chromium, served, office):
    notices = (
        told(RED.id, text="【南江县·演练】短信全文"),
        told(RED.id, recipient=f"{town.COUNTY}-duty"),
        told(
            RED.id,
            recipient=f"{town.VILLAGE}-loudspeaker",
            channel="broadcast",
            state="held",
            audience="public",
        ),
    )
    act = an_act(alert=RED.id, act="acknowledge", version=1, by="南江县值班员")
    office.decide(RED, notices=notices, releases=(a_release(RED.id),), acts=(act,))

    def look(page: Page):
        page.click("#alerts button.card")
        detail = page.locator("#detail")
        for text in (
            RED.headline,
            RED.description,
            RED.instruction,
            "169.21毫米/天",
            "改进切线角",
            "仅一种仪器",
            "铁炉坝村responsible",
            "村村响广播",
            "待发布",
            "待发送",
            "确认收到",
            "南江县值班员",
            "第 1 版",
        ):
            expect(detail).to_contain_text(text)
        detail.locator("summary", has_text="短信用语").click()
        expect(detail).to_contain_text("【南江县·演练】短信全文")
        way = detail.locator("details.hops").first
        expect(way.locator("ol")).to_be_hidden()
        way.locator("summary").click()
        expect(way).to_contain_text("观测")
        expect(way.locator("li").nth(1)).to_contain_text("接收")
        expect(detail.locator(".tiers tbody tr")).to_have_count(2)

    see(chromium, served, look)


def test_an_open_alert_follows_its_new_versions(chromium, served, office):
    office.decide(ORANGE)

    def look(page: Page):
        page.click("#alerts button.card")
        expect(page.locator("#detail")).to_contain_text("第 1 版")
        office.decide(an_alert_of(area=town.TOWNSHIP, level=4, version=2, previous_level=3))
        expect(page.locator("#detail .detail-head")).to_contain_text("第 2 版")
        expect(page.locator("#detail .detail-head")).to_contain_text("红色（I级）")

    see(chromium, served, look)


def test_the_four_tiers_and_the_newest_notices_follow_the_ledger(chromium, served, office):
    notices = (told(RED.id), told(RED.id, recipient=f"{town.CITY}-duty"))
    office.decide(RED, notices=notices)

    def look(page: Page):
        village = page.locator("#tiers tr", has_text="村社区").locator("td")
        expect(village.nth(1)).to_have_text("1")
        claims = office.ledger.claim_due(NOW + MINUTE, 5, "w", 60, machine_us=0)
        office.settle(claims, NoticeState.SENT)
        expect(village.nth(2)).to_have_text("1")
        expect(village.nth(1)).to_have_text("0")
        expect(page.locator("#recent")).to_contain_text("铁炉坝村responsible")
        expect(page.locator("#recent")).to_contain_text("已发出")

    see(chromium, served, look)


def test_instruments_stand_apart_and_have_no_colour(chromium, served, office):
    office.decide(a_silent_station(), ORANGE)

    def look(page: Page):
        expect(page.locator("#alerts button.card")).to_have_count(1)
        sick = page.locator("#instruments button.card")
        expect(sick).to_have_count(1)
        expect(sick).to_contain_text("失联")
        expect(sick).to_contain_text("关坝雨量站")
        for colour in ("黄色", "橙色", "级"):
            expect(sick).not_to_contain_text(colour)
        sick.click()
        expect(page.locator("#detail .detail-head")).to_contain_text("失联")
        expect(page.locator("#detail")).not_to_contain_text("黄色")

    see(chromium, served, look)


COLOURS = """() => {
  const canvas = document.getElementById("map");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Map();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] !== 255) continue;
    const key = `${data[i]},${data[i + 1]},${data[i + 2]}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  return Object.fromEntries(seen);
}"""
RED_AREA, ORANGE_AREA = "184,55,63", "184,105,31"


def test_the_map_draws_land_stations_and_the_areas_of_alerts(chromium, served, office):
    def look(page: Page):
        page.wait_for_timeout(300)
        before = page.evaluate(COLOURS)
        assert sum(before.values()) > 10_000
        assert len(before) > 10
        assert ORANGE_AREA not in before
        office.decide(ORANGE)
        expect(page.locator("#alerts button.card")).to_have_count(1)
        page.wait_for_timeout(300)
        orange = page.evaluate(COLOURS)
        assert orange[ORANGE_AREA] > 500
        # A red village in an orange township is red: two colours over each other would be a third.
        office.decide(RED)
        expect(page.locator("#alerts button.card")).to_have_count(2)
        page.wait_for_timeout(300)
        both = page.evaluate(COLOURS)
        assert both[RED_AREA] > 20
        assert both[ORANGE_AREA] > 500
        expect(page.locator(".sketch")).to_have_text("示意图，非行政区域界线")
        expect(page.locator("#legend")).to_contain_text("雨量站 2")

    see(chromium, served, look)


def test_the_map_names_what_lies_under_the_pointer_and_opens_it(chromium, served, office):
    office.decide(RED)

    def look(page: Page):
        page.click("#alerts button.card")  # the map goes there
        expect(page.locator("#detail")).to_be_focused()
        box = place_of(page, "#map")
        left = place_of(page, "#detail")["x"]
        x, y = (box["x"] + left) / 2, box["y"] + box["height"] / 2
        for _ in range(50):
            page.mouse.move(x, y)
            page.wait_for_timeout(100)
            if "铁炉坝" in page.locator("#tip").inner_text():
                break
            page.mouse.move(x + 1, y)
        expect(page.locator("#tip")).to_contain_text("滑坡 红色（I级）")
        page.keyboard.press("Escape")
        expect(page.locator("#detail")).to_be_hidden()
        page.evaluate("document.getElementById('map').focus()")
        page.keyboard.press("+")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("0")

    see(chromium, served, look)


def test_the_filter_by_hazard_holds_for_list_and_map(chromium, served, office):
    office.decide(RED, ORANGE)

    def look(page: Page):
        page.click("#filters button:has-text('滑坡')")
        expect(page.locator("#alerts button.card")).to_have_count(1)
        page.wait_for_timeout(300)
        assert ORANGE_AREA not in page.evaluate(COLOURS)
        page.click("#filters button:has-text('全部')")
        expect(page.locator("#alerts button.card")).to_have_count(2)

    see(chromium, served, look)


def test_an_exercise_says_so_and_the_clock_is_the_engines(chromium, served, office):
    def look(page: Page):
        expect(page.locator(".exercise")).to_contain_text("演练")
        expect(page.locator(".exercise")).to_contain_text("模拟数据")
        expect(page.locator("#clock")).to_have_text("14:00:00")
        expect(page.locator("#date")).to_contain_text("2026年7月18日")
        office.now += 90 * MINUTE
        expect(page.locator("#clock")).to_have_text("15:30:00")

    see(chromium, served, look)


def test_the_health_light_tells_what_is_wrong(chromium, served, office):
    def look(page: Page):
        expect(page.locator("#health")).to_have_attribute("data-state", "healthy")

    see(chromium, served, look)
    office.faults = ("the log cannot be written: disk full",)

    def sick(page: Page):
        expect(page.locator("#health")).to_have_attribute("data-state", "sick")
        expect(page.locator("#health-words")).to_have_text("运行异常")
        expect(page.locator("#faults")).to_be_visible()
        expect(page.locator("#faults")).to_contain_text("disk full")

    chromium.visit(served, sick)


def test_what_data_say_is_text_and_never_markup(chromium, served, office):
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    alert = an_alert_of(area=town.TOWNSHIP).model_copy(
        update={
            "headline": evil,
            "description": evil,
            "instruction": evil,
            "speech": evil,
            "origin": Origin.MANUAL,
        }
    )
    act = an_act(alert=alert.id, act="acknowledge", by=evil[:90], reason=evil)
    office.decide(alert, notices=(told(alert.id, text=evil),), acts=(act,))

    def look(page: Page):
        expect(page.locator("#alerts")).to_contain_text("<img src=x")
        page.click("#alerts button.card")
        expect(page.locator("#detail")).to_contain_text("<script>")
        assert page.locator("main img, main script").count() == 0
        assert "owned" not in page.title()

    see(chromium, served, look)


def test_the_page_can_be_read_without_scripts(client, office):
    office.decide(RED)
    text = client.get("/").text
    listed = text[text.index('<ol class="list" id="alerts">') :]
    assert "红色（I级）" in listed
    assert "南江县光雾山镇铁炉坝村" in listed
    assert "<noscript>" in text


def test_it_speaks_english_when_asked(chromium, served, office):
    office.decide(RED, told=False)

    def look(page: Page):
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.locator("#alerts button.card")).to_contain_text("Red (grade I)")
        expect(page.locator("#alerts button.card")).to_contain_text("Landslide")
        expect(page.locator(".exercise")).to_contain_text("EXERCISE")
        page.click("a.other")
        expect(page.locator("#alerts button.card")).to_contain_text("红色（I级）")

    see(chromium, f"{served}/?lang=en", look)


def test_on_a_phone_each_part_has_the_whole_screen(chromium, served, office):
    office.decide(RED, a_silent_station(), notices=(told(RED.id),))

    def look(page: Page):
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        expect(page.locator("#pane-alerts")).to_be_visible()
        expect(page.locator("#pane-map")).to_be_hidden()
        page.click(".tabs button:has-text('地图')")
        page.wait_for_timeout(300)
        assert sum(page.evaluate(COLOURS).values()) > 2_000
        page.click(".tabs button:has-text('发布')")
        expect(page.locator("#tiers")).to_be_visible()
        page.click(".tabs button:has-text('设备')")
        expect(page.locator("#instruments")).to_contain_text("失联")
        page.click(".tabs button:has-text('预警')")
        page.click("#alerts button.card")
        expect(page.locator("#detail")).to_be_visible()
        assert place_of(page, "#detail")["width"] == pytest.approx(390, abs=1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

    see(chromium, served, look, 390, 844)


def test_by_keyboard_an_alert_opens_and_closes_and_the_focus_comes_back(chromium, served, office):
    office.decide(RED)

    def look(page: Page):
        page.locator("#alerts button.card").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#detail")).to_be_visible()
        expect(page.locator("#detail")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#detail")).to_be_hidden()
        expect(page.locator("#alerts button.card").first).to_be_focused()

    see(chromium, served, look)


def test_words_are_there_for_every_key_that_scripts_and_template_name():
    from console.page import _STATIC, _TEMPLATES  # the page's own files

    scripts = "".join(path.read_text(encoding="utf-8") for path in _STATIC.rglob("*.js"))
    template = (_STATIC.parent / "templates" / "page.html").read_text(encoding="utf-8")
    named = set(re.findall(r'word\("(\w+)"', scripts)) | set(re.findall(r"words\.(\w+)", template))
    named |= {"healthy", "sick", "checking", "lost", "exercise", "test"}
    named |= {"waiting", "under_way", "left", "arrived", "trouble", "post", "channel", "state", "time"}
    named |= {f"tab_{tab}" for tab in ("alerts", "map", "told", "instruments")}
    assert named - set(words.PAGE) == set()
    assert set(words.PAGE) - named - {"not_found"} == set()
    assert all(zh and en for zh, en in words.PAGE.values())
    assert _TEMPLATES.autoescape is True


def test_files_of_the_page_are_kept_for_ever_and_named_by_content(client):
    text = client.get("/").text
    assert client.get("/").headers["cache-control"] == "no-store"
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', text)
    assert len(files) >= 3
    for file in files:
        answer = client.get(file)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/old/page.css").status_code == 404


def test_the_page_names_no_other_server(client):
    text = client.get("/").text
    files = [client.get(f).text for f in re.findall(r'(?:href|src)="(/static/[^"]+)"', text)]
    named = {url for body in [text, *files] for url in re.findall(r"https?://[\w./-]+", body)}
    assert named <= {"http://www.w3.org/2000/svg"}


def test_an_alert_that_is_not_there_is_404(client: httpx.Client):
    answer = client.get("/v1/board/a-none")
    assert answer.status_code == 404
    assert answer.json() == {"error": "没有这条预警"}


def test_a_lost_connection_is_said_and_what_happened_meanwhile_is_shown(chromium, office):
    server = ConsoleServer(office.app, "127.0.0.1", 0)
    server.start()
    servers = [server]

    def look(page: Page):
        expect(page.locator("#health")).to_have_attribute("data-state", "healthy")
        server.stop()
        expect(page.locator("#health")).to_have_attribute("data-state", "lost")
        expect(page.locator("#health-words")).to_have_text("连接中断，正在重连")
        office.decide(RED)
        servers.append(ConsoleServer(office.app, "127.0.0.1", server.port))
        servers[1].start()
        expect(page.locator("#alerts button.card")).to_have_count(1, timeout=20_000)
        expect(page.locator("#health")).to_have_attribute("data-state", "healthy", timeout=20_000)

    def ready(page: Page):
        page.wait_for_selector("#alerts[data-ready]", state="attached")
        look(page)

    try:
        chromium.visit(server.url, ready)
    finally:
        servers[-1].stop()
