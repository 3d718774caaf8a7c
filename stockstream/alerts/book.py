"""The book of alerts: rules with their standings, and what is to be stored and delivered.

`application.py` makes it once. Like the tables, it outlives the actor that writes it. Long work is
a generator, which yields where other tasks should get a turn. If the actor dies there, the work
begins again from the start: a price that was judged is skipped, and a price that was judged by some
of its rules changes nothing for them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from stockstream import paths, spans
from stockstream.alerts.cooldown import CoolDowns
from stockstream.alerts.rules import NOWHERE, Rule, judge, quiet
from stockstream.alerts.spares import Recording, Spares
from stockstream.alerts.thresholds import Thresholds
from stockstream.alerts.window import Window
from stockstream.messages import Alert
from stockstream.shards import Sharding
from stockstream.statuses import AlertStatus
from supervision import Ownership, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from stockstream.quotes import Symbol, Version
    from stockstream.spans import Traced
    from stockstream.statuses import QuoteRow

MOST_WAITING = 10_000
"""Alerts that wait to be stored, or delivered: some 5 MB. Beyond it the oldest are dropped."""
JUDGED_PER_TURN = 100
"""Judgements before others get a turn: a millisecond or two."""
AT_ONCE = 200
"""Alerts stored in one transaction."""
MOST_KNOWN = 20_000
"""Ids of alerts that were told here, newest last: a node that was frozen tells its alerts late."""
MOST_TRACED = 1_000
"""Alerts of which it is known what fired them, the newest: only of what is traced."""
STANDINGS_AT_ONCE = 1_000
"""Standings stored in one transaction: a price that crosses all rules changes all of theirs."""


class Standing(msgspec.Struct, frozen=True):
    """The standing that a rule's row should have: for its `revision` only. `currency` is that of
    the prices it has judged, None where they told none.
    """

    revision: int
    armed: bool
    currency: str | None = None


class Unstored(msgspec.Struct, frozen=True):
    """The rows to be stored next, in one transaction.

    A rule's standing is stored only after all that the rule fired or withholds. Otherwise, if the
    process ended in between, the rule would be disarmed and the crossing that disarmed it lost.
    `traceparents` are by the ids of those alerts that are traced.
    """

    alerts: list[Alert]
    webhooks: list[str | None]
    standings: dict[int, Standing]
    traceparents: dict[str, str] = {}


class AlertBook:
    """See the module. Written by the watcher only; anyone reads its status.

    Only what this node records is its to store and to tell; it keeps spares of the rest.
    """

    def __init__(self, records: Recording | None = None) -> None:
        """`records` tells what is this node's; by default there are no others."""
        self._records = records or Recording(Slot("holding", writer=paths.MEMBERSHIP), Sharding())
        self._owner = Ownership("alerts", paths.ALERTS)
        self._rules: dict[int, Rule] = {}
        self._armed: dict[int, bool | None] = {}
        self._currencies: dict[int, str | None] = {}
        self._by_symbol: dict[Symbol, Thresholds] = {}
        # Each rule has a window of its own: moves before the rule was made do not count for it.
        self._windows: dict[int, Window] = {}
        self._cooldowns = CoolDowns()
        self._seen: dict[Symbol, Version] = {}
        self._unstored: deque[tuple[Alert, str | None]] = deque()
        self._standings: dict[int, Standing] = {}
        self._undelivered: deque[Alert] = deque()
        self._untold: deque[Alert] = deque(maxlen=MOST_WAITING)
        self._known: OrderedDict[str, None] = OrderedDict()
        self._traced: OrderedDict[str, Traced] = OrderedDict()
        self._spares = Spares()
        self._spare_standings: dict[int, tuple[Standing, str | None]] = {}
        self._numbers = 0
        self._judged = self._fired = self._dropped = self._missed = self._withheld = 0

    @property
    def symbols(self) -> frozenset[Symbol]:
        """The symbols that any rule is about."""
        return frozenset(self._by_symbol)

    @property
    def in_cluster(self) -> bool:
        """Whether there are other nodes."""
        return self._records.in_cluster

    def status(self) -> AlertStatus:
        """Counts, for operators."""
        return AlertStatus(
            rules=len(self._rules),
            judged=self._judged,
            fired=self._fired,
            unstored=len(self._unstored),
            undelivered=len(self._undelivered),
            dropped=self._dropped,
            missed=self._missed,
            withheld=self._withheld,
        )

    # Rules

    def put_rule(self, rule: Rule, quote: QuoteRow | None, now: int) -> None:
        """Add a new or changed rule; a rule that is here in that revision keeps its standing, also
        where it has another owner by now.

        `quote` is the newest of its symbol. All that was published before has to be judged.
        """
        self._owner.check()
        known = self._rules.get(rule.id)
        if known is not None and known.revision >= rule.revision:
            if known.revision == rule.revision and known.owner != rule.owner:
                moved = self._rules[rule.id] = msgspec.structs.replace(known, owner=rule.owner)
                self._by_symbol[rule.symbol].put(moved, quiet(moved, self._armed[rule.id]))
                # A judge that yields leaves out what was replaced meanwhile.
                if quote is not None:
                    self._judge(moved, quote, now, own=False)
            return
        self.drop_rule(rule.id)
        self._rules[rule.id] = rule
        self._armed[rule.id] = rule.armed
        self._currencies[rule.id] = rule.currency
        # It is judged at least once, in every standing.
        self._by_symbol.setdefault(rule.symbol, Thresholds()).put(rule, NOWHERE)
        if quote is not None:
            self._seen[rule.symbol] = quote.quote.version
            self._judge(rule, quote, now, own=False)

    def drop_rule(self, number: int) -> None:
        """Forget a rule, and the crossings it withheld; no error when there is none.

        What it fired stays to be stored.
        """
        self._owner.check()
        rule = self._rules.pop(number, None)
        if rule is None:
            return
        del self._armed[number]
        del self._currencies[number]
        self._standings.pop(number, None)
        self._spare_standings.pop(number, None)
        others = self._by_symbol[rule.symbol]
        others.drop(number)
        if not others:
            del self._by_symbol[rule.symbol]
            self._seen.pop(rule.symbol, None)
        self._windows.pop(number, None)
        self._cooldowns.forget(number)

    def keep_only(self, numbers: AbstractSet[int]) -> None:
        """Forget all rules except these."""
        for number in self._rules.keys() - numbers:
            self.drop_rule(number)

    # Prices

    def judge(self, rows: Iterable[QuoteRow], now: int, *, own: bool = False) -> Iterator[None]:
        """Judge published quotes, in their order; `now` is the wall clock in ms.

        What `own` quotes fire is this node's, which has just fetched them, whatever it records now.
        One at a time: rules may come and go where it yields, other quotes may not.
        """
        self._owner.check()
        done = 0
        for row in rows:
            symbol, price, version = row.quote.symbol, row.quote.price, row.quote.version
            thresholds = self._by_symbol.get(symbol)
            seen = self._seen.get(symbol)
            if thresholds is None or (seen is not None and version <= seen):
                continue
            for rule in thresholds.reached(price):
                if self._rules.get(rule.id) is not rule:
                    continue  # it was changed or dropped where this yields
                self._judge(rule, row, now, own=own)
                done += 1
                if done % JUDGED_PER_TURN == 0:
                    yield
            if symbol in self._by_symbol:
                self._seen[symbol] = version

    def note_dropped(self, total: int) -> bool:
        """Note the total of quotes lost before they were judged; returns whether it rose."""
        self._owner.check()
        more, self._missed = total > self._missed, total
        return more

    def _judge(self, rule: Rule, row: QuoteRow, now: int, *, own: bool) -> None:
        quote = row.quote
        before = currency = self._currencies[rule.id]
        if currency is None:
            self._currencies[rule.id] = currency = quote.currency
        elif quote.currency is not None and quote.currency != currency:
            return  # 740 pence are not over 8 pounds
        self._judged += 1
        extremes = None
        if rule.window is not None:
            window = self._windows.setdefault(rule.id, Window(rule.window))
            # Not by a wall clock, the provider's or ours: such a clock may step.
            extremes = window.add(row.steady, quote.price)
        armed = self._armed[rule.id]
        verdict = judge(rule, armed, quote.price, extremes)
        self._by_symbol[rule.symbol].put(rule, quiet(rule, verdict.armed))
        # The first price of a rule whose standing is stored already may leave that as it is.
        if verdict.armed is not armed or currency != before:
            self._armed[rule.id] = verdict.armed
            ours = own or self._records(rule.symbol, row.source or None)
            standing = Standing(rule.revision, verdict.armed, currency)
            if ours:
                self._standings[rule.id] = standing
                self._spare_standings.pop(rule.id, None)
            else:
                self._spare_standings[rule.id] = standing, row.source or None
        if not verdict.fired:
            return
        alert = Alert(
            number=0,
            owner=rule.owner,
            rule=rule.id,
            symbol=rule.symbol,
            kind=rule.kind.value,
            threshold=rule.threshold,
            window=rule.window,
            price=quote.price,
            reference=verdict.reference,
            timestamp=quote.timestamp,
            version=quote.version,
            fired_at=now,
            exchange=quote.exchange,
            currency=quote.currency,
            source=row.source or None,
        )
        told = self._cooldowns.crossed(alert, rule.cooldown, row.steady)
        if told is None:
            self._withheld += 1
        else:
            self._fire(rule, told, row.steady, own=own)

    def _fire(self, rule: Rule, alert: Alert, steady: int, *, own: bool = False) -> None:
        """Have it stored and told, if that is this node's; else keep it for a takeover.

        While alone nothing is kept: it may come of prices that only this node has seen, and the
        node that records the symbol tells what crossed.
        """
        if not own and not self._records(rule.symbol, alert.source):
            if not self._records.alone:
                self._spares.keep(rule, alert, steady)
            return
        self._fired += 1
        alert = self._tell(alert)
        traced = spans.current()
        if traced is not None:
            self._traced[alert.id] = traced
            if len(self._traced) > MOST_TRACED:
                self._traced.popitem(last=False)
        self._unstored.append((alert, rule.webhook))
        if self._records.in_cluster:
            self._untold.append(alert)
        if len(self._unstored) > MOST_WAITING:
            self._unstored.popleft()
            self._dropped += 1

    def _tell(self, alert: Alert) -> Alert:
        """Have this node's clients told, once; the alert with its number here."""
        self._numbers += 1
        alert = msgspec.structs.replace(alert, number=self._numbers)
        if alert.id not in self._known:
            self._known[alert.id] = None
            self._undelivered.append(alert)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        if len(self._undelivered) > MOST_WAITING:
            self._undelivered.popleft()  # not lost: it is stored, and the page reads what is
        return alert

    # Other nodes

    def hear(self, alerts: Iterable[Alert]) -> None:
        """Another node has fired these: tell them here, too, if that was not done."""
        self._owner.check()
        for alert in alerts:
            self._tell(alert)

    def take_over(self, steady: int) -> int:
        """Fire what this node kept of symbols that it records now; how many these are.

        Their predecessor may have stored and told them: then they are known by their ids.
        """
        self._owner.check()
        for number, (standing, source) in list(self._spare_standings.items()):
            if self._records(self._rules[number].symbol, source):
                self._standings[number] = standing
                del self._spare_standings[number]
        taken = self._spares.take(self._records, steady)
        for spare in taken:
            self._fire(spare.rule, spare.alert, steady)
        return len(taken)

    def untold(self, limit: int) -> tuple[Alert, ...]:
        """The alerts that the other nodes are to be told next."""
        return tuple(islice(self._untold, limit))

    def told(self, alerts: Iterable[Alert]) -> None:
        """Take off what the other nodes were told."""
        self._owner.check()
        for _ in alerts:
            self._untold.popleft()

    # Cool-downs

    def end_cooldowns(self, steady: int, now: int, *, early: bool = False) -> Iterator[None]:
        """Fire the withheld crossings of rules whose cool-down is over, or of all rules.

        `steady` is the monotonic clock and `now` the wall clock, both in ms.
        """
        self._owner.check()
        for done, number in enumerate(list(self._cooldowns.withholding), 1):
            if done % JUDGED_PER_TURN == 0:
                yield
            rule = self._rules.get(number)
            if rule is None:
                continue  # it was dropped where this yields
            alert = self._cooldowns.end(number, rule.cooldown, steady, early=early)
            if alert is not None:
                # Dated now: a user who has read all until a moment ago has not read this one.
                self._fire(rule, msgspec.structs.replace(alert, fired_at=now), steady)

    # What waits

    def unstored(self) -> Unstored | None:
        """The rows to be stored next; None for nothing."""
        first = list(islice(self._unstored, AT_ONCE))
        later = {alert.rule for alert, _ in islice(self._unstored, AT_ONCE, None)}
        later |= self._cooldowns.withholding
        waiting = ((n, s) for n, s in self._standings.items() if n not in later)
        standings = dict(islice(waiting, STANDINGS_AT_ONCE))
        if not first and not standings:
            return None
        return Unstored(
            [a for a, _ in first],
            [url for _, url in first],
            standings,
            {a.id: self._traced[a.id].traceparent for a, _ in first if a.id in self._traced},
        )

    def traced(self, alerts: Iterable[Alert]) -> list[Traced]:
        """What fired them, as far as it is traced."""
        return [self._traced[alert.id] for alert in alerts if alert.id in self._traced]

    def stored(self, done: Unstored) -> None:
        """Take off what was stored, or refused for good."""
        self._owner.check()
        last = done.alerts[-1].number if done.alerts else 0
        while self._unstored and self._unstored[0][0].number <= last:
            self._unstored.popleft()
        _take_off(self._standings, done.standings)

    def undelivered(self) -> Alert | None:
        """The alert to be delivered next; None for none."""
        return self._undelivered[0] if self._undelivered else None

    def delivered(self, alert: Alert) -> None:
        """Take off what was delivered."""
        self._owner.check()
        while self._undelivered and self._undelivered[0].number <= alert.number:
            self._undelivered.popleft()


def _take_off(standings: dict[int, Standing], done: Mapping[int, Standing]) -> None:
    for number, standing in done.items():
        if standings.get(number) == standing:
            del standings[number]
