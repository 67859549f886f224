"""Makes the pictures of the READMEs and the documentation beside it, from a demo that really runs.

    python -m docs.images.make          a demo of its own, Debian's Chromium, about two minutes

Every picture is of an exercise and says so: 演练, 模拟数据.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright
from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import MONOKAI

from runtime.demo.people import free_port
from runtime.demo.screen import banner, coloured
from runtime.demo.told import MEANS, Said
from schemas.level import Level
from schemas.times import CHINA
from tests.servers.base import program

HERE = Path(__file__).resolve().parent
SECONDS = 60
"""How long the demo's storm takes."""
_PATIENCE_S = 240
_COLUMNS = 110
_RED = 6
_STORM_DAY = "2026-07-18"
_TERMINAL = """<style>i {{ display: inline-block; width: 2ch; text-align: center; font-style: normal }}</style>
<pre style="font: 15px/1.5 'DejaVu Sans Mono', 'WenQuanYi Micro Hei', monospace; margin: 0; padding: 14px 18px;
background: #16181d; color: #d9d9d9; width: max-content">{}</pre>"""


def main() -> None:
    """Run the demo, take the pictures, end it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "demo"
        words = ["demo", "--keep", "--no-browser", "--seconds", str(SECONDS)]
        command = [sys.executable, "-m", "runtime.cli", *words, "--port", str(port), "--data", str(data)]
        demo = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_for_the_worst(f"http://127.0.0.1:{port}")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=program("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
                )
                take_console(browser, f"http://127.0.0.1:{port}")
                wait_for(data / "report.html")
                take_terminal(browser, data / "received.txt")
                browser.close()
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(60)


def wait_for_the_worst(url: str) -> None:
    """Wait until alerts of all four colours are in force, and several red ones."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        try:
            levels = [alert["level"] for alert in httpx.get(f"{url}/v1/alerts", timeout=5).json()]
        except httpx.TransportError:
            levels = []
        if {1, 2, 3, 4} <= set(levels) and levels.count(4) >= _RED:
            return
        time.sleep(1)
    raise SystemExit("no alerts of all four colours came; is the demo well?")


def wait_for(path: Path) -> None:
    """Wait until the demo has written a file."""
    until = time.monotonic() + _PATIENCE_S
    while not path.exists():
        if time.monotonic() > until:
            raise SystemExit(f"{path.name} was not written")
        time.sleep(1)


def take_console(browser: Browser, url: str) -> None:
    """The page on a desk and on a phone."""
    for name, width, height, scale in (("desktop", 1440, 900, 1), ("phone", 390, 844, 2)):
        page = browser.new_page(
            viewport={"width": width, "height": height}, device_scale_factor=scale, locale="zh-CN"
        )
        page.goto(url, wait_until="load")
        page.wait_for_timeout(3000)  # the first events have come, and the map is drawn
        page.screenshot(path=HERE / f"console-{name}.png")
        page.close()


def take_terminal(browser: Browser, received: Path) -> None:
    """What was received, as the terminal shows it."""
    said = [read(line) for line in received.read_text(encoding="utf-8").splitlines()]
    chosen = a_stretch(said, 22)
    console = Console(record=True, width=_COLUMNS, force_terminal=True, file=io.StringIO())
    for one in chosen:
        console.print(coloured(one, _COLUMNS), no_wrap=True)
    console.print(banner())
    made = console.export_html(theme=MONOKAI, inline_styles=True, code_format="{code}")
    page = browser.new_page(device_scale_factor=1)
    # A browser's fonts are not two to one as a terminal's cells are: each wide character gets its two cells.
    page.set_content(_TERMINAL.format("".join(f"<i>{c}</i>" if cell_len(c) == 2 else c for c in made)))
    page.locator("pre").screenshot(path=HERE / "terminal.png")
    page.close()


def read(line: str) -> Said:
    """A line of received.txt."""
    at, tier, means, post, text = line.split(" ", 4)
    channel = next(channel for channel, names in MEANS.items() if names[0] == means)
    return Said(
        datetime.strptime(f"{_STORM_DAY} {at}", "%Y-%m-%d %H:%M").replace(tzinfo=CHINA),
        tier,
        channel,
        post,
        text,
    )


def a_stretch(said: list[Said], length: int) -> list[Said]:
    """So many messages in a row that show the most tiers, means and colours, the highest colours first."""

    def variety(start: int) -> tuple[int, int]:
        part = said[start : start + length]
        kinds = {(one.tier, one.channel, one.level) for one in part}
        return len(kinds) + 3 * any(one.level is Level.RED for one in part), sum(one.level for one in part)

    best = max(range(max(1, len(said) - length)), key=variety)
    return said[best : best + length]


if __name__ == "__main__":
    main()
