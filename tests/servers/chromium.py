"""Chromium without a screen: looks at pages as a person would."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.servers.base import program

Seen = TypeVar("Seen")


class Chromium:
    """One headless browser, Debian's own, with a new profile a page.

    All calls run in one thread of their own: playwright's synchronous interface leaves a running event loop in its
    thread, on which every asyncio test after it would stumble.
    """

    name = "chromium"

    def __init__(self) -> None:
        self.path = program("chromium")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chromium")
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def start(self) -> Chromium:
        """Start the browser."""
        self._thread.submit(self._start).result(60)
        return self

    def _start(self) -> None:
        self._playwright = sync_playwright().start()
        # Root has no sandbox; the pages are our own, on loopback.
        self._browser = self._playwright.chromium.launch(
            executable_path=self.path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )

    def stop(self) -> None:
        """End the browser; `start` may follow."""
        self._thread.submit(self._stop).result(60)

    def _stop(self) -> None:
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()
        self._browser = self._playwright = None

    def restart(self) -> Chromium:
        """Start anew, without what the old one remembered."""
        self.stop()
        return self.start()

    def remove(self) -> None:
        """End the browser and its thread for good."""
        self.stop()
        self._thread.shutdown()

    def visit(
        self,
        url: str,
        look: Callable[[Page], Seen],
        width_px: int = 1280,
        height_px: int = 800,
        scale: float = 1,
    ) -> Seen:
        """Open `url` in a new profile and return what `look` makes of the page.

        An error of a script on the page, or a request that leaves this machine, fails the visit.
        """

        def run() -> Seen:
            assert self._browser is not None, "chromium is not running"
            context = self._browser.new_context(
                viewport={"width": width_px, "height": height_px},
                device_scale_factor=scale,
                locale="zh-CN",
                timezone_id="Asia/Shanghai",
            )
            try:
                page = context.new_page()
                faults: list[str] = []
                page.on("pageerror", lambda error: faults.append(f"script: {error}"))
                page.on("request", lambda request: faults.extend(_outside(request.url)))
                page.goto(url)
                seen = look(page)
                assert not faults, f"{url}: {faults}"
                return seen
            finally:
                context.close()

        return self._thread.submit(run).result(120)

    def screenshot(
        self, url: str, path: Path, wait_for: str = "body", width_px: int = 1280, height_px: int = 800
    ) -> Path:
        """Write a PNG of the page once the CSS selector `wait_for` is visible."""

        def look(page: Page) -> None:
            page.wait_for_selector(wait_for)
            page.screenshot(path=path)

        self.visit(url, look, width_px, height_px)
        return path


def _outside(url: str) -> list[str]:
    inside = ("http://127.0.0.1", "http://localhost", "ws://127.0.0.1", "data:", "blob:", "about:", "file:")
    return [] if url.startswith(inside) else [f"request to {url}"]
