"""One verdict over a node, by what its tables say."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import trio

from stockstream import paths
from stockstream.delivery.lanes import Connections
from stockstream.statuses import (
    CircuitState,
    CircuitStatus,
    Confirmations,
    DatabaseStatus,
    FeedFigures,
    FeedState,
    FeedStatus,
    JobStatus,
    Lapse,
    MailStatus,
    NoticeFigures,
    OpenNotice,
    RecorderStatus,
    SeenTrouble,
    StaleReason,
    WebhookStatus,
)
from stockstream.tables import Tables
from stockstream.telemetry.process import ProcessHistory, ProcessSample
from stockstream.times import Moment
from supervision.context import current_cell
from web.admin.reasons import BACKUP_MS, EVENT_MS, LATE_SECONDS, Tone, limits, mailboxes
from web.admin.verdict import verdict

NOON = 1_795_348_800_000


class World:
    """The tables of a node that is well, and what is judged of them."""

    def __init__(self) -> None:
        self.tables, self.process = Tables(), ProcessHistory()
        self.feed()
        closed = CircuitStatus(CircuitState.CLOSED, Moment.now())
        self.put(paths.circuit_breaker("api"), self.tables.circuits, "api", closed)
        self.put(paths.DATABASE, self.tables.database, DatabaseStatus(True, "", Moment.now(), {}))
        self.put(paths.RECORDER, self.tables.recorder, RecorderStatus())

    def put(self, path: str, table: Any, *row: Any) -> None:
        token = current_cell.set(cast("Any", SimpleNamespace(path=path)))
        table.put(*row)
        current_cell.reset(token)

    def feed(self, age: float = 0.0) -> None:
        row = FeedStatus(FeedState.LIVE, Moment.now().after(-age), 1.0, True, "why")
        self.put(paths.feed("api"), self.tables.feeds, "api", row)

    def recorder(self, **row: Any) -> None:
        self.put(paths.RECORDER, self.tables.recorder, RecorderStatus(**row))

    def told(self) -> tuple[Tone, list[tuple[str, str]]]:
        parts = SimpleNamespace(
            tables=self.tables,
            system=SimpleNamespace(root=None),
            telemetry=SimpleNamespace(process=self.process),
            connections=Connections(),
            settings=SimpleNamespace(max_connections=100),
        )
        found = verdict(cast("Any", parts), NOON)
        return found.tone, [(reason.part, reason.text) for reason in found.reasons]


async def test_a_node_that_is_well_has_no_reasons() -> None:
    """And one that has no feed yet is in trouble: nothing green by default."""
    assert World().told() == (Tone.GOOD, [])
    empty = World()
    empty.tables = Tables()
    tone, reasons = empty.told()
    assert (tone, [part for part, _ in reasons]) == (Tone.BAD, ["feeds", "history"])


async def test_a_feed_that_is_gone_is_told_once() -> None:
    """The readiness and the notice say the same of it."""
    world = World()
    world.feed(age=3_600)
    stale = OpenNotice("feed", "api", "stale", "the prices of api are stale: why", NOON)
    world.put(paths.NOTICES, world.tables.notices, NoticeFigures(open=(stale,)))
    assert world.told() == (Tone.BAD, [("feeds", "the feed api is down: why")])
    world.feed()  # back, and nobody has said so yet
    assert world.told() == (Tone.BAD, [("feeds", stale.text)])


async def test_what_cannot_become_well_again_is_told_for_a_while() -> None:
    """A supervisor that gave up, and lost prices."""
    world = World()
    for at, told in ((NOON - EVENT_MS, 1), (NOON - EVENT_MS - 1, 0)):
        lost = OpenNotice("ticks", "history", "lost", "7 ticks were lost", at)
        world.put(paths.NOTICES, world.tables.notices, NoticeFigures(open=(lost,)))
        assert len(world.told()[1]) == told


async def test_a_writer_that_is_stuck_is_red_and_a_backlog_that_shrinks_is_not() -> None:
    """The recorder knows why its attempts fail; what waits on disk and is recorded is a warning."""
    world = World()
    long_ago = Moment.now().after(-60.0)
    world.recorder(spooled=12, spooled_since=NOON - 60_000, behind_since=long_ago)
    text = "history: 12 batches that waited on disk are being recorded, 60 s behind"
    assert world.told() == (Tone.WARN, [("history", text)])
    why = "no answer within 8 s"
    world.recorder(
        spooled=12, spooled_since=NOON - 60_000, behind_since=long_ago, trouble=why, alert=None
    )
    tone, ((part, text),) = world.told()
    assert (tone, part) == (Tone.BAD, "history")
    assert why in text
    assert "60 s behind" in text


async def test_refused_items_are_told_while_they_come() -> None:
    """By kind, with the count and the last example; a minute later it is over."""
    world = World()
    for age, tone in ((59.0, Tone.WARN), (61.0, Tone.GOOD)):
        seen = {"item_not_positive": SeenTrouble(Moment.now().after(-age), "price of A is 0")}
        row = FeedFigures({"item_not_positive": 31}, seen)
        world.put(paths.feed("api"), world.tables.feed_figures, "api", row)
        assert world.told()[0] is tone
    seen = {"item_not_positive": SeenTrouble(Moment.now(), "price of A is 0")}
    row = FeedFigures({"item_not_positive": 31}, seen)
    world.put(paths.feed("api"), world.tables.feed_figures, "api", row)
    text = "items of api are refused, not positive: 31 so far (price of A is 0)"
    assert world.told()[1] == [("items", text)]


async def test_a_loop_that_is_held_up_is_red_and_one_hiccup_is_not() -> None:
    """As the alert RunLoopLag has it."""
    world = World()

    def sampled(*lags: float) -> Tone:
        world.process = ProcessHistory()
        for lag in lags:
            sample = ProcessSample(NOON, 1, None, 1, 1, 0.0, lag)
            world.put(paths.TELEMETRY, SimpleNamespace(put=world.process.add), sample)
        return world.told()[0]

    assert sampled(*[1.0] * 10) is Tone.GOOD
    assert sampled(300.0, *[1.0] * 9) is Tone.WARN
    assert sampled(300.0, *[1.0] * 10) is Tone.GOOD
    assert sampled(*[300.0] * 6, *[1.0] * 4) is Tone.BAD
    await trio.lowlevel.checkpoint()


async def test_a_symbol_that_nobody_confirms_is_named() -> None:
    """With the reason; all of them is no warning any more."""
    world = World()
    now = Moment.now().milliseconds
    symbols = cast("Any", [f"S{number}" for number in range(7)])
    lapsed = {s: Lapse(StaleReason.NOT_LISTED, now - 9000, now - 1) for s in symbols}
    row = Confirmations(now, frozenset(), lapsed=lapsed)
    world.put(paths.feed("api"), world.tables.confirmations, "api", row)
    tone, ((part, text),) = world.told()
    assert (tone, part) == (Tone.WARN, "symbols")
    assert "(not listed: S0, S1, S2, S3, S4 and 2 more)" in text


async def test_alerts_that_do_not_reach_anybody_are_told() -> None:
    """A mail server that takes nothing, while it does; what was given up, for a while."""
    world = World()
    trouble = MailStatus(server="mx:25", trouble="no answer in time", trouble_since=NOON - 90_000)
    world.put(paths.MAILER, world.tables.mail, trouble)
    text = "mail: mx:25 has taken no letters for 90 s: no answer in time"
    assert world.told() == (Tone.BAD, [("webhooks", text)])
    for at, told in ((NOON - EVENT_MS, 1), (NOON - EVENT_MS - 1, 0)):
        world.put(paths.MAILER, world.tables.mail, MailStatus(dead=3, dead_at=at))
        world.put(paths.WEBHOOKS, world.tables.webhooks, WebhookStatus(dead=2, dead_at=at))
        assert len(world.told()[1]) == 2 * told


async def test_what_is_to_be_done_beside_prices_is_told() -> None:
    """A job that fails or is late, and an old backup; just below its bound none is."""
    world = World()
    job = JobStatus("purge", "", "place", "")
    place, table = paths.job("purge"), world.tables.jobs
    for late, told in ((LATE_SECONDS, []), (LATE_SECONDS + 1, ["jobs"])):
        world.put(place, table, "purge", msgspec.structs.replace(job, overdue_seconds=late))
        assert [part for part, _ in world.told()[1]] == told
    world.put(place, table, "purge", msgspec.structs.replace(job, failing="fails: no disk"))
    assert world.told() == (Tone.BAD, [("jobs", "the job purge fails: no disk")])
    world.put(place, table, "purge", job)
    for age, tone in ((BACKUP_MS, Tone.GOOD), (BACKUP_MS + 1, Tone.BAD)):
        world.put(paths.BACKUP_NOTES, world.tables.backed_up, NOON - age)
        assert world.told()[0] == tone


async def test_what_is_near_a_limit_is_told_before_it_is_met() -> None:
    """A mailbox, and clients; the one of no bound is never near it."""
    boxes = [
        SimpleNamespace(path="a", mailbox=SimpleNamespace(queued=queued, bound=bound))
        for queued, bound in ((79, 100), (80, 100), (5, 0))
    ]
    (full,) = mailboxes(cast("Any", [*boxes, SimpleNamespace(path="b", mailbox=None)]))
    assert full.text.startswith("the mailbox of a is nearly full: 80 of 100 wait")
    assert [len(list(limits(connected, 100, []))) for connected in (79, 80)] == [0, 1]
