"""The routing's part of policy.yaml (section `routing`): who is told what, by what, when, and who releases it.

Source  house choices; the figures that the contract does not fix are ours to be tuned, see docs/alerting/routing.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.alert import Alert, Origin, Status
from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.times import Micros, seconds

Audience = Literal["responsible", "public"]
Colour = Literal["blue", "yellow", "orange", "red"]
_COLOURS: tuple[Colour, ...] = ("blue", "yellow", "orange", "red")
Window = Literal["blue", "yellow", "orange", "red", "cancel"]
WINDOWS_S: Mapping[Window, float] = {
    "blue": 600.0,
    "yellow": 600.0,
    "orange": 60.0,
    "red": 0.0,
    "cancel": 600.0,
}
PEOPLE_HAZARDS: tuple[Hazard, ...] = tuple(hazard for hazard in Hazard if hazard is not Hazard.STATION)


class _Matches(BaseModel):
    """What a line of policy is about.

    Attributes
    ----------
    hazards
        Which hazards; none named: all but `station`.
    colours
        Which colours; none named: all. A cancel has the colour that it ends.
    origins
        Whose conclusion: `detector`, `manual`, `department`, `neighbour`; none named: all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hazards: tuple[Hazard, ...] = ()
    colours: tuple[Colour, ...] = ()
    origins: tuple[Origin, ...] = ()

    def matches(self, alert: Alert) -> bool:
        """Whether the line is about this alert."""
        colour = Level(alert.level or alert.previous_level).colour
        return (
            alert.hazard in (self.hazards or PEOPLE_HAZARDS)
            and (not self.colours or colour in self.colours)
            and (not self.origins or alert.origin in self.origins)
        )


class Route(_Matches):
    """Who is told.

    Attributes
    ----------
    name
        What `fenghuo route test` calls it.
    audience
        `responsible`: told at once; `public`: told when a rule of `releases` lets it go.
    roles
        Roles of the recipients, as recipients.csv has them.
    tiers
        Tiers of the recipients, among those that the alert is told at; none named: all.
    channels
        Channels that may be used, where a recipient has them; none named: all.
    """

    name: Annotated[str, Field(min_length=1)]
    audience: Audience
    roles: Annotated[tuple[str, ...], Field(min_length=1)]
    tiers: tuple[Tier, ...] = ()
    channels: tuple[str, ...] = ()


class ReleaseRule(_Matches):
    """Who lets a version go to the public; the first rule that matches holds.

    Attributes
    ----------
    by
        `nobody`: it goes at once; `one`: a person releases it; `never`: it is not for the public.
    deadline_s
        Seconds after which what is still held goes by itself, marked 自动发布; without it, it waits.
    """

    by: Literal["nobody", "one", "never"]
    deadline_s: Annotated[float, Field(gt=0)] | None = None


class Limit(BaseModel):
    """How many notices below red one recipient gets by one channel: `burst` at once, then one in `every_s`.

    What has to wait is gathered into one notice, so that nobody misses a warning. In any hour that is at
    most `burst` + 3600 / `every_s`.

    Attributes
    ----------
    burst
        How many may go at once after a quiet time.
    every_s
        After those, one in so many seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    burst: int = Field(6, ge=1)
    every_s: float = Field(600.0, gt=0)


ROUTES = (
    Route(name="duty", audience="responsible", roles=("duty", "responsible")),
    Route(name="public", audience="public", roles=("public",)),
    Route(
        name="maintenance",
        audience="responsible",
        roles=("maintenance",),
        hazards=(Hazard.STATION,),
        tiers=(Tier.CITY, Tier.COUNTY),
    ),
)
RELEASES = (
    ReleaseRule(hazards=(Hazard.RAINSTORM, Hazard.EARTHQUAKE), origins=(Origin.DETECTOR,), by="never"),
    ReleaseRule(hazards=(Hazard.LANDSLIDE, Hazard.FLASH_FLOOD), colours=("red",), by="one", deadline_s=300.0),
    ReleaseRule(by="one"),
)


class RoutingPolicy(BaseModel):
    """How alerts find people.

    Attributes
    ----------
    language
        Language of notices.
    routes
        All that match apply; whom several name is told once.
    releases
        Who releases to the public; the first that matches holds.
    exercise_release_by
        `nobody`: in an exercise or test what one person would release goes at once, as in the demo.
    windows_s
        For each colour and for `cancel`: how long what one recipient would get for one hazard and level is
        gathered into one notice, seconds from the first.
    unbundled
        Hazards that wait for no window and no limit.
    limits
        By channel: at most so many notices below red.
    every_channel_from
        From this colour on a recipient is told by all channels, below it by the first.
    spoken_channels
        Channels that read aloud.
    max_parts
        Longest text that lists places, in short messages.
    notice_expires_s
        After how many seconds an unsent notice is not worth sending.
    notice_expires_s_by_hazard
        Exceptions to `notice_expires_s` for single hazards.
    remember_s
        How long an ended alert is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Literal["zh", "en"] = "zh"
    routes: tuple[Route, ...] = ROUTES
    releases: tuple[ReleaseRule, ...] = RELEASES
    exercise_release_by: Literal["rules", "nobody"] = "rules"
    windows_s: Mapping[Window, Annotated[float, Field(ge=0)]] = WINDOWS_S
    unbundled: tuple[Hazard, ...] = (Hazard.EARTHQUAKE,)
    limits: Mapping[str, Limit] = Field(default_factory=lambda: {"sms": Limit(), "voice": Limit()})
    every_channel_from: Colour = "red"
    spoken_channels: tuple[str, ...] = ("broadcast", "voice")
    max_parts: int = Field(5, ge=1)
    notice_expires_s: float = Field(86400.0, gt=0)
    notice_expires_s_by_hazard: Mapping[Hazard, float] = Field(
        default_factory=lambda: {Hazard.EARTHQUAKE: 600.0}
    )
    remember_s: float = Field(7 * 86400.0, gt=0)

    @model_validator(mode="after")
    def _plain(self) -> RoutingPolicy:
        names = [route.name for route in self.routes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"routing.routes: two routes are called {name}")
        missing = [word for word in WINDOWS_S if word not in self.windows_s]
        if missing:
            raise ValueError(f"routing.windows_s has no window for {missing[0]}")
        ordered = [self.windows_s[colour] for colour in reversed(_COLOURS)]
        if ordered != sorted(ordered):
            raise ValueError(
                "routing.windows_s is out of order: a higher colour never waits longer than a lower one"
            )
        return self

    def window_us(self, alert: Alert) -> Micros:
        """How long a notice about this alert waits for others of its kind."""
        if alert.hazard in self.unbundled:
            return 0
        if alert.type == "cancel":
            return seconds(self.windows_s["cancel"])
        return seconds(self.windows_s[_COLOURS[alert.level - 1]])

    def limit_of(self, channel: str) -> Limit | None:
        """The limit of a channel; None where it has none."""
        return self.limits.get(channel)

    def by_every_channel(self, level: int) -> bool:
        """Whether a recipient is told by all channels at that level."""
        return level >= 1 + _COLOURS.index(self.every_channel_from)

    def expires_us(self, hazard: Hazard) -> Micros:
        """How long a notice of that hazard is worth sending."""
        return seconds(self.notice_expires_s_by_hazard.get(hazard, self.notice_expires_s))

    def release_rule(self, alert: Alert) -> ReleaseRule:
        """The rule by which a version goes to the public."""
        if alert.hazard is Hazard.STATION:
            return ReleaseRule(by="never")
        rule = next((rule for rule in self.releases if rule.matches(alert)), ReleaseRule(by="one"))
        if rule.by == "one" and alert.status is not Status.ACTUAL and self.exercise_release_by == "nobody":
            return rule.model_copy(update={"by": "nobody", "deadline_s": None})
        return rule
