"""Unreached: the words before a text that is to be passed on, because somebody could not be told.

In      how those are called, in the policy's language
Out     【铁炉坝村责任人未能送达，请转告】
"""

from __future__ import annotations

from collections.abc import Sequence

from alerting.render.texts import Language

_ROLES: dict[str, tuple[str, str]] = {
    "duty": ("值班室", "duty desk"),
    "responsible": ("责任人", "person in charge"),
    "maintenance": ("运维人员", "maintenance"),
    "public": ("广播", "loudspeaker"),
}
_NAMED = 3
"""So many are named, then their number: the warning behind them must not be pushed out of sight."""


def called(place: str, role: str, language: Language = "zh") -> str:
    """How a recipient is called whose post is not known to decisions: its area and role.

    Parameters
    ----------
    place
        The area's own name.
    role
        As recipients.csv has it; one that no word is known for stands as it is.
    """
    zh, en = _ROLES.get(role, (role, role))
    return place + zh if language == "zh" else f"{place} {en}"


def unreached_mark(names: Sequence[str], language: Language = "zh", *, spoken: bool = False) -> str:
    """What stands before a text: who could not be told, and that it is to be passed on. Empty for nobody."""
    if not names:
        return ""
    if language == "zh":
        more = f"等{len(names)}处" if len(names) > _NAMED else ""
        words = f"{'、'.join(names[:_NAMED])}{more}未能送达，请转告"
        return f"{words}。" if spoken else f"【{words}】"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    words = f"Not reached: {', '.join(names[:_NAMED])}{more}. Please pass on."
    return f"{words} " if spoken else f"[{words}] "
