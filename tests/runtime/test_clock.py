"""Clocks of exercises: several processes, and one that is started again, show the same time."""

from __future__ import annotations

import time

import pytest

from runtime.clock import MachineClock, SetClock
from runtime.configuration.settings import Settings
from runtime.servers.surroundings import clock_of
from schemas.times import HOUR, SECOND, from_micros

STARTS_US = 1_784_000_000 * SECOND


def test_a_clock_begins_when_it_is_made() -> None:
    assert 0 <= SetClock(STARTS_US, 60.0).now_us() - STARTS_US < 60 * SECOND


def test_clocks_that_are_set_at_one_moment_agree_whenever_they_are_made() -> None:
    set_us = MachineClock().now_us() - 10 * SECOND
    first = SetClock(STARTS_US, 60.0, set_us)
    time.sleep(0.2)
    second = SetClock(STARTS_US, 60.0, set_us)
    assert abs(second.now_us() - first.now_us()) < 60 * SECOND // 10
    assert first.now_us() - STARTS_US >= 600 * SECOND


def test_a_clock_that_is_set_later_runs_towards_it() -> None:
    clock = SetClock(STARTS_US, 60.0, MachineClock().now_us() + 60 * SECOND)
    assert clock.now_us() < STARTS_US
    assert clock.seconds_until(STARTS_US) == pytest.approx(60, abs=5)


def test_the_settings_say_when_it_is_set() -> None:
    set_us = MachineClock().now_us() - HOUR
    clock = {"starts_at": from_micros(STARTS_US), "rate": 2.0, "set_at": from_micros(set_us)}
    settings = Settings.model_validate({"status": "exercise", "clock": clock})
    assert 0 <= clock_of(settings).now_us() - STARTS_US - 2 * HOUR < 60 * SECOND
