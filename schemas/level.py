"""Levels: the four grades of Chinese warnings, as numbers inside and as words for people.

Source  Emergency Response Law of China, the four grades I to IV from red to blue
"""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """0 none, 1 blue, 2 yellow, 3 orange, 4 red. The number never reaches a person."""

    NONE = 0
    BLUE = 1
    YELLOW = 2
    ORANGE = 3
    RED = 4

    @property
    def colour(self) -> str:
        """The English name of the colour, as settings and metrics write it."""
        return ("none", "blue", "yellow", "orange", "red")[self]

    @property
    def colour_zh(self) -> str:
        """The Chinese name of the colour with 色 (无, 蓝色, 黄色, 橙色, 红色)."""
        return ("无", "蓝色", "黄色", "橙色", "红色")[self]

    @property
    def grade(self) -> str:
        """The grade in Roman numerals, IV (blue) to I (red); empty for none."""
        return ("", "IV", "III", "II", "I")[self]

    @property
    def words_zh(self) -> str:
        """How a screen or text says it: 红色（I级）; 无 for none."""
        return f"{self.colour_zh}（{self.grade}级）" if self else "无"
