"""What clients count. No I/O: times come from outside, in ms of a steady clock."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stockstream.cli.load.delivery import Delays
from stockstream.cli.load.plan import Counts, Findings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.quotes import Version

MOST_WORDS = 50
"""So many different reasons are told apart; a server that makes up new ones fills no memory."""
OTHERS = "for other reasons"


class Tally:
    """Of one process."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.measuring = False
        self.delays = Delays()
        self.handshakes: Counter[int] = Counter()
        self.first_prices: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.not_taken: Counter[str] = Counter()
        self.round_trip: float | None = None
        self._clients: list[ClientTally] = []

    def client(self) -> ClientTally:
        """A new client of this process."""
        client = ClientTally(self)
        self._clients.append(client)
        return client

    def measure(self, now: float) -> None:
        """Begin to count: what was counted while clients came is forgotten, but for how they
        came, and why they did not.
        """
        self.measuring = True
        counts = self.counts
        self.counts = Counts(tried=counts.tried, open=counts.open, moved=counts.moved)
        self.delays = Delays()
        for client in self._clients:
            client.measure(now)

    def note(self, words: Counter[str], word: str) -> None:
        """Count a reason."""
        words[word if word in words or len(words) < MOST_WORDS else OTHERS] += 1

    def findings(self, now: float, *, cpu: float, seconds: float) -> Findings:
        """All of it; clients that are still connected are counted up to now."""
        for client in self._clients:
            client.end(now)
        return Findings(
            counts=self.counts,
            delays=self.delays.told(),
            round_trip=self.round_trip,
            handshakes=dict(self.handshakes),
            first_prices=dict(self.first_prices),
            pauses=dict(Counter(round(client.longest_pause) for client in self._clients)),
            silences=dict(Counter(round(client.longest_silence) for client in self._clients)),
            refused=dict(self.refused),
            lost=dict(self.lost),
            not_taken=dict(self.not_taken),
            cpu=cpu,
            seconds=seconds,
        )


class ClientTally:
    """Of one client, over all its connections."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.versions: dict[str, Version] = {}
        self.longest_pause = 0.0
        self.longest_silence = 0.0
        self._tried = False
        self._server = ""
        self._met: Counter[int] = Counter()
        self._subscribed: float | None = None
        self._priced: float | None = None
        self._heard: float | None = None

    def measure(self, now: float) -> None:
        """Begin to count. One that waits for its first price waits from here."""
        self._met.clear()
        self.longest_pause = self.longest_silence = 0.0
        self._priced = self._heard = now

    def tried(self) -> None:
        """It has connected, or failed to."""
        if not self._tried:
            self._tried = True
            self._tally.counts.tried += 1

    def welcomed(self, server: str, began: float, now: float) -> None:
        """A connection is there."""
        self.tried()
        self._server = server
        self._subscribed = now
        self._tally.counts.open += 1
        self._tally.counts.connects += 1
        self._tally.handshakes[round(now - began)] += 1
        self.heard(now)

    def heard(self, now: float) -> None:
        """A message came, of any kind."""
        self._tally.counts.messages += 1
        if self._tally.measuring:
            if self._heard is not None:
                self.longest_silence = max(self.longest_silence, now - self._heard)
            self._heard = now

    def made(self, steady: int, arrived: float) -> None:
        """A message that arrived then was made at that time of the server's clock."""
        self._met[round(arrived - steady)] += 1

    def told(self, quotes: Mapping[str, Version], now: float) -> None:
        """Prices came. A version may come again with a state, but not an older one."""
        if not quotes:
            return
        counts = self._tally.counts
        counts.prices += len(quotes)
        versions = self.versions
        for symbol, version in quotes.items():
            last = versions.get(symbol)
            if last is not None and version < last:
                counts.older += 1
            else:
                versions[symbol] = version
        if self._subscribed is not None:
            self._tally.first_prices[round(now - self._subscribed)] += 1
            self._subscribed = None
        if self._tally.measuring:
            if self._priced is not None:
                self.longest_pause = max(self.longest_pause, now - self._priced)
            self._priced = now

    def answered(self, round_trip: float) -> None:
        """A ping was."""
        least = self._tally.round_trip
        self._tally.round_trip = round_trip if least is None else min(least, round_trip)

    def closed(self) -> None:
        """The connection that was there has ended."""
        self._tally.counts.open -= 1
        self._fold()

    def moved(self) -> None:
        """The server had announced the end of the connection. It waits for prices meanwhile."""
        self._tally.counts.moved += 1

    def left(self) -> None:
        """It left by itself, so nothing is expected before it is back."""
        self._tally.counts.churned += 1
        self._priced = self._heard = None

    def end(self, now: float) -> None:
        """The end of counting: a pause that goes on is as long as it is."""
        self._fold()
        if self._priced is not None:
            self.longest_pause = max(self.longest_pause, now - self._priced)
        if self._heard is not None:
            self.longest_silence = max(self.longest_silence, now - self._heard)

    def _fold(self) -> None:
        self._tally.delays.add(self._server, self._met)
        self._met.clear()
