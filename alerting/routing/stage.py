"""Routing: alert versions become notices for people, and releases to audiences.

In      `Alert` versions, acts of release, the system's acts `undelivered`, ticks of log time
Out     `Notice` when it comes to be (held or due) and again when what was held is released; `Release`
State   one row a chain, one a recipient and channel (see `memory`); layout 1

Which notices exist, with ids, texts and due times, follows from the log alone (EXACT, rules 10 and 11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from pydantic import ValidationError

from alerting.dues import Dues
from alerting.routing import lines
from alerting.routing.contacts import Contacts, UndeliveredContent
from alerting.routing.decide import Decider
from alerting.routing.lines import Batch
from alerting.routing.memory import (
    STATE_VERSION,
    Held,
    HeldNotice,
    Line,
    Pending,
    RoutedChain,
    Told,
    chain_of,
    line_key,
    line_of,
)
from alerting.routing.notices import NoticeMaker
from alerting.routing.policy import RoutingPolicy
from alerting.rows import ChangedRows, to_bytes
from schemas.act import Act
from schemas.alert import Alert, Release
from schemas.bundle import Bundle
from schemas.level import Level
from schemas.notice import Notice, NoticeState
from schemas.times import Micros, from_micros, seconds

Said = Notice | Release


class Routing:
    """Find the people for the alerts of one association area.

    Parameters
    ----------
    parameters
        Section `routing` of the policy.
    bundle
        The configuration that holds from here on.
    """

    name = "routing"
    state_version = STATE_VERSION
    takes: tuple[type, ...] = (Alert,)

    def __init__(self, parameters: RoutingPolicy, bundle: Bundle) -> None:
        self.policy = parameters
        self.decider = Decider(parameters, bundle)
        self._contacts = Contacts(self.decider, bundle.areas, bundle.recipients)
        self._maker = NoticeMaker(parameters, bundle)
        self._chains: dict[str, RoutedChain] = {}
        self._lines: dict[str, Line] = {}
        self._rows = ChangedRows(self._encode)
        self._dues = Dues()
        self._alerts: dict[str, Alert] = {}

    # --- alerts -----------------------------------------------------------------------------------------------------

    def process(self, alert: Alert, now: Micros) -> list[Said]:
        """Take one version; return the notices that come to be at once, and who may have it."""
        chain = self._chains.setdefault(alert.id, RoutedChain(alert.id))
        chain.version = alert.version
        said: list[Said] = [self._release(alert.id, alert.version, "responsible", now)]
        if alert.type == "cancel":
            chain.in_force, chain.ended_us = False, now
        if alert.reaches_people:
            said += self._tell(chain, alert, now)
        elif chain.held is not None and 0 < alert.level < alert.previous_level:
            # The public was not told yet: what is released later says the level that stands.
            self._remember(chain, alert)
            public, chain.held = [kept.told for kept in chain.held.notices], None
            said += self._hold(chain, alert, public, now) if alert.level > chain.public_level else []
        if chain.public_level and alert.level <= chain.public_level and chain.held is None:
            # What lowers, extends or ends what the public has needs no release of its own; while something is held,
            # its release takes the newest version along, and no version is released twice.
            said.append(self._release(alert.id, alert.version, "public", now))
            chain.public_level = alert.level or chain.public_level
        self._touch_chain(chain)
        return said

    def _tell(self, chain: RoutedChain, alert: Alert, now: Micros) -> list[Said]:
        """Notices of a version that reaches people: for whom it is routed to, and for all who were told before."""
        by = "nobody" if alert.type == "cancel" else self.policy.release_rule(alert).by
        told = dict(chain.told)
        if alert.type != "cancel":
            for decision in self.decider.decide(alert):
                one = Told(
                    decision.recipient, decision.channel, decision.audience, decision.tier, decision.area
                )
                told.setdefault(one.line, one)
        everyone = sorted(told.values(), key=lambda t: (t.tier.rank, t.area, t.recipient, t.channel))
        held = [one for one in everyone if by != "nobody" and one.audience == "public"]
        said = [notice for one in held for notice in self._flush(chain, one, now)]
        self._remember(chain, alert)
        chain.people_version, chain.failed, chain.passed = alert.version, (), {}
        chain.held = None
        for one in everyone:
            if by == "nobody" or one.audience != "public":
                said += self._queue(chain, alert, one, now)
        if by == "one":
            said += self._hold(chain, alert, held, now)
        elif by == "nobody" and alert.type != "cancel":
            chain.public_level = max(chain.public_level, alert.level)
        return said

    def _flush(self, chain: RoutedChain, told: Told, now: Micros) -> list[Said]:
        """What was free to go and only waits for its bundle goes now, before a newer version is held."""
        line = self._lines.get(told.line, Line())
        waiting = tuple(pending for pending in line.pending if pending.chain == chain.id)
        if not waiting:
            return []
        lines.leave(line, chain.id)
        notice = self._notice_of(line, Batch(told, waiting), now)
        lines.charge(line, self.policy, told.channel, notice.level, now)
        self._touch_line(told.line)
        return [notice]

    def _queue(self, chain: RoutedChain, alert: Alert, told: Told, now: Micros) -> list[Said]:
        """Put a version into someone's line. A cancel goes only to whom something was or is to be said."""
        line = self._lines.setdefault(told.line, Line())
        if alert.type == "cancel" and not any(alert.id in chains for chains in line.live.values()):
            # All that there was still waited for its bundle: nobody heard of it, so nobody hears that it ended.
            lines.leave(line, alert.id)
            self._touch_line(told.line)
            return []
        chain.told[told.line] = told
        at_once = lines.join(line, alert, told, self.policy, now)
        said = self._send(told.line, now) if at_once else []
        self._touch_line(told.line)
        return said

    def _hold(self, chain: RoutedChain, alert: Alert, public: Sequence[Told], now: Micros) -> list[Said]:
        """Hold a version until it is released; also where no loudspeaker is, for topics and feeds wait too."""
        notices: list[Said] = []
        kept: list[HeldNotice] = []
        for told in public:
            chain.told[told.line] = told
            line = self._lines.setdefault(told.line, Line())
            supersedes = tuple(
                sorted(name for name, chains in line.live.items() if set(chains) <= {alert.id})
            )
            notice = self._maker.make(told, [alert], now, NoticeState.HELD, supersedes)
            line.live = {**line.live, notice.id: (alert.id,)}
            self._touch_line(told.line)
            kept.append(HeldNotice(told, supersedes))
            notices.append(notice)
        rule = self.policy.release_rule(alert)
        deadline_us = None if rule.deadline_s is None else now + seconds(rule.deadline_s)
        chain.held = Held(alert.version, deadline_us, tuple(kept))
        return notices

    # --- acts -------------------------------------------------------------------------------------------------------

    def act(self, act: Act, now: Micros) -> tuple[Act | None, list[Said]]:
        """Judge a release or that somebody was not reached; of any other act None, for it is not the routing's."""
        if act.act == "undelivered":
            return self._undelivered(act, now)
        if act.act != "release":
            return None, []
        chain = self._chains.get(act.alert or "")
        refused = self._refused(act, chain)
        if refused is not None or chain is None:
            return act.judged(refused), []
        return act.judged(), self._let_go(chain, now, by=act.by, automatic=False)

    @staticmethod
    def _refused(act: Act, chain: RoutedChain | None) -> str | None:
        if chain is None:
            return f"there is no alert {act.alert}" if act.alert else "the act names no alert"
        if not chain.in_force:
            return "the alert is already cancelled"
        if act.version is None:
            return "the act does not name the version that was seen"
        if act.version > chain.version:
            return f"the alert has no version {act.version}"
        if act.version < chain.said_version:
            return f"version {act.version} is stale: the alert is at version {chain.version}"
        if act.content.get("audience", "public") != "public":
            return "only what goes to the public is released"
        if chain.held is None:
            return "nothing is held: it is released already, or policy gives it to no public"
        return None

    def _let_go(self, chain: RoutedChain, now: Micros, *, by: str, automatic: bool) -> list[Said]:
        held = chain.held
        assert held is not None
        alert = self._alert(chain)
        said: list[Said] = []
        for kept in held.notices:
            line = self._lines.setdefault(kept.told.line, Line())
            notice = self._maker.make(kept.told, [alert], now, NoticeState.DUE, kept.supersedes, automatic)
            self._cover(line, notice.id, [alert], {alert.id})
            lines.charge(line, self.policy, kept.told.channel, alert.level, now)
            self._touch_line(kept.told.line)
            said.append(notice)
        # The newest version says all that the released one says.
        said.append(self._release(chain.id, chain.version, "public", now, by=by, automatic=automatic))
        chain.held = None
        chain.public_level = max(chain.public_level, alert.level)
        self._touch_chain(chain)
        return said

    def _undelivered(self, act: Act, now: Micros) -> tuple[Act, list[Said]]:
        """Tell the next who is to know that a notice did not reach its recipient; each notice leads to one at most."""
        chain = self._chains.get(act.alert or "")
        if chain is None:
            return act.judged(f"there is no alert {act.alert}" if act.alert else "the act names no alert"), []
        if act.version is not None and act.version > chain.version:
            return act.judged(f"the alert has no version {act.version}"), []
        try:
            missed = self._missed(act)
        except ValidationError as error:
            return act.judged(f"content: {error.errors(include_url=False)[0]['msg']}"), []
        for one, told in missed:
            one.failed = (*one.failed, told.line)
            self._touch_chain(one)
        if max((self._alert(one).level for one, _ in missed), default=0) < Level.ORANGE:
            return act.judged(), []
        found = (self._contacts.next(self._alert(one), one, told) for one, told in missed)
        if (told_next := next((told for told in found if told is not None), None)) is None:
            return act.judged(), []
        said = self._pass_on(missed, told_next, now)
        content = {**act.content, "next": {"recipient": told_next.recipient, "channel": told_next.channel}}
        return act.model_copy(update={"content": content}).judged(), said

    def _missed(self, act: Act) -> list[tuple[RoutedChain, Told]]:
        """Of what the notice told that which still holds, and to whom, unless it is known already."""
        content = UndeliveredContent.model_validate(act.content)
        line = line_key(content.recipient, content.channel)
        missed: dict[str, tuple[RoutedChain, Told]] = {}
        for identity, version in content.versions(act):
            chain = self._chains.get(identity)
            if chain is None or not chain.in_force or line not in chain.told or line in chain.failed:
                continue
            # What fell since and is said to nobody is no newer word for him.
            if version >= (chain.people_version or chain.said_version):
                missed[identity] = chain, chain.told[line]
        return list(missed.values())

    def _pass_on(
        self, missed: Sequence[tuple[RoutedChain, Told]], told_next: Told, now: Micros
    ) -> list[Said]:
        entries: list[Pending] = []
        for chain, told in missed:
            alert = self._alert(chain)
            unreached = self._contacts.news(alert, chain, told, told_next)
            if unreached is None:
                continue
            again = told_next.line in chain.told
            chain.told.setdefault(told_next.line, told_next)
            chain.passed[told_next.line] = (*chain.passed.get(told_next.line, ()), *unreached)
            entries.append(lines.entry(alert, told_next, now, unreached, again))
        line = self._lines.setdefault(told_next.line, Line())
        batch = lines.pass_on(line, entries, self.policy, told_next.channel, now)
        said: list[Said] = [] if batch is None else [self._notice_of(line, batch, now)]
        self._touch_line(told_next.line)
        return said

    # --- time -------------------------------------------------------------------------------------------------------

    def next_due(self) -> Micros | None:
        """When the next bundle closes, or a release is due by its deadline."""
        return self._dues.first()

    def tick(self, now: Micros) -> list[Said]:
        """Send the bundles that are closed, release what the deadline releases."""
        said: list[Said] = []
        for key in self._dues.until(now):
            if key in self._lines:
                said += self._send(key, now)
                self._touch_line(key)
                continue
            chain = self._chains[key.removeprefix("c/")]
            if (
                chain.held is not None
                and chain.held.deadline_us is not None
                and chain.held.deadline_us <= now
            ):
                said += self._let_go(chain, now, by="deadline", automatic=True)
            elif not chain.in_force:
                self._forget(chain)
        return said

    def _send(self, key: str, now: Micros) -> list[Said]:
        line = self._lines[key]
        channel = key.rsplit("/", 1)[1]
        return [self._notice_of(line, batch, now) for batch in lines.due(line, self.policy, channel, now)]

    def _notice_of(self, line: Line, batch: Batch, now: Micros) -> Notice:
        alerts = [self._said(pending) for pending in batch.pending]
        unreached = tuple(dict.fromkeys(one for pending in batch.pending for one in pending.unreached))
        notice = self._maker.make(batch.told, alerts, now, NoticeState.DUE, (), unreached=unreached)
        # To say the same version again leaves what said it first as it is.
        newer = {pending.chain for pending in batch.pending if not pending.again}
        return notice.model_copy(update={"supersedes": self._cover(line, notice.id, alerts, newer)})

    @staticmethod
    def _cover(line: Line, notice: str, alerts: Sequence[Alert], newer: Set[str]) -> tuple[str, ...]:
        """Note that a notice came due; return the earlier ones of which it leaves nothing worth sending."""
        left = {
            name: tuple(c for c in chains if c not in newer)
            for name, chains in line.live.items()
            if name != notice
        }
        supersedes = tuple(sorted(name for name, chains in left.items() if not chains))
        live = {name: chains for name, chains in left.items() if chains}
        in_force = tuple(sorted(alert.id for alert in alerts if alert.type != "cancel"))
        line.live = {**live, notice: in_force} if in_force else live
        return supersedes

    @staticmethod
    def _release(
        alert: str, version: int, audience: Any, now: Micros, *, by: str = "policy", automatic: bool = False
    ) -> Release:
        return Release(
            alert=alert, version=version, audience=audience, at=from_micros(now), by=by, automatic=automatic
        )

    # --- state ------------------------------------------------------------------------------------------------------

    def _remember(self, chain: RoutedChain, alert: Alert) -> None:
        chain.said, chain.said_version = alert.model_dump_json().encode(), alert.version
        self._alerts[chain.id] = alert

    def _said(self, pending: Pending) -> Alert:
        return self._alert(self._chains[pending.chain])

    def _alert(self, chain: RoutedChain) -> Alert:
        """The newest version that reaches people."""
        if chain.id not in self._alerts:
            self._alerts[chain.id] = Alert.model_validate_json(chain.said)
        return self._alerts[chain.id]

    def _forget(self, chain: RoutedChain) -> None:
        del self._chains[chain.id]
        self._alerts.pop(chain.id, None)
        self._rows.touch(f"c/{chain.id}")
        self._dues.set(f"c/{chain.id}", None)

    def _chain_due(self, chain: RoutedChain) -> Micros | None:
        if chain.ended_us is not None:
            return chain.ended_us + seconds(self.policy.remember_s)
        return chain.held.deadline_us if chain.held is not None else None

    def _touch_chain(self, chain: RoutedChain) -> None:
        self._rows.touch(f"c/{chain.id}")
        self._dues.set(f"c/{chain.id}", self._chain_due(chain))

    def _touch_line(self, key: str) -> None:
        self._rows.touch(key)
        self._dues.set(key, lines.next_due(self._lines[key]))

    def _encode(self, key: str) -> bytes | None:
        row = self._lines.get(key) or self._chains.get(key.removeprefix("c/"))
        return None if row is None else to_bytes(row, STATE_VERSION)

    def changed(self) -> Mapping[str, bytes | None]:
        """Rows changed since the last saved checkpoint."""
        return self._rows.changed()

    def saved(self, token: Any) -> None:
        """The checkpoint of the last `changed()` is durable."""
        self._rows.saved()

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up the rows of earlier checkpoints."""
        for key, data in state.items():
            if key.startswith("r/"):
                self._lines[key] = line_of(data)
                self._dues.set(key, lines.next_due(self._lines[key]))
            elif key.startswith("c/"):
                chain = chain_of(data)
                self._chains[chain.id] = chain
                self._dues.set(key, self._chain_due(chain))

    def state(self) -> Mapping[str, bytes]:
        """All rows."""
        rows: dict[str, bytes] = {
            f"c/{chain.id}": to_bytes(chain, STATE_VERSION) for chain in self._chains.values()
        }
        return rows | {key: to_bytes(line, STATE_VERSION) for key, line in self._lines.items()}
