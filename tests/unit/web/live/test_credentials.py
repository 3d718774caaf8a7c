"""What becomes of clients when that ends which let them in: what each of them is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from stockstream.credential_keys import CredentialKey
from stockstream.delivery.messages import Notify
from stockstream.tables import Tables
from stockstream.times import Moment
from stockstream.users.credentials import Credential, Held, Known
from stockstream.users.roles import SCOPES, Role, Scope
from web.live.credentials import CODE_ENDED, ClientCredentials
from web.users.principal import Kind, Principal

NOW = Moment(1_000.0)
DIGEST = b"d" * 32


@dataclass
class Client:
    """Keeps what it is asked."""

    number: int
    codes: list[int] = field(default_factory=list)

    def ask_to_close(self, code: int, _reason: str) -> None:
        self.codes.append(code)


@dataclass
class Broadcaster:
    """Keeps what it is told."""

    told: list[Any] = field(default_factory=list)

    def cast(self, message: object) -> None:
        self.told.append(message)


@dataclass
class Place:
    """Tables that this test may write, and the clients of a life of `web`."""

    tables: Tables
    broadcaster: Broadcaster
    credentials: ClientCredentials

    def known(self, digest: bytes, number: int, seconds: float, **changes: Any) -> Credential:
        """A credential that the doorkeeper has confirmed, and that ends so long after `NOW`."""
        credential = Credential(
            CredentialKey("session", number),
            7,
            "ada",
            Role.VIEWER,
            SCOPES[Role.VIEWER],
            0,
            must_change=False,
        )
        credential = msgspec.structs.replace(credential, **changes)
        self.tables.credentials.put(digest, Known(credential, NOW, NOW.after(seconds), NOW, NOW))
        return credential

    def come(self, number: int, credential: Credential | None, digest: bytes = DIGEST) -> Client:
        client = Client(number)
        principal = Principal(
            Kind.SESSION, "ada", frozenset(), credential=credential, digest=digest
        )
        self.credentials.hold(client, principal)  # type: ignore[arg-type]
        return client


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    # Here nobody is an actor.
    monkeypatch.setattr("supervision.table.Ownership.check", lambda _self: None)
    tables = Tables()
    broadcaster = Broadcaster()
    return Place(tables, broadcaster, ClientCredentials(tables, broadcaster))  # type: ignore[arg-type]


def test_an_end_closes_all_clients_of_that_credential_and_no_other(place: Place) -> None:
    first, second = place.known(DIGEST, 1, 3600), place.known(b"e" * 32, 2, 3600)
    mine, mine_too = place.come(1, first), place.come(2, first)
    others, nobodys = place.come(3, second, b"e" * 32), place.come(4, None)
    assert set(place.tables.socket_credentials.rows) == {1, 2, 3}
    place.credentials.ended([first.key, CredentialKey("token", 1)])
    assert [one.codes for one in (mine, mine_too, others, nobodys)] == [
        [CODE_ENDED],
        [CODE_ENDED],
        [],
        [],
    ]
    for number in (1, 2, 4, 99):
        place.credentials.forget(number)
    assert dict(place.tables.socket_credentials.rows) == {3: Held(b"e" * 32, second.key)}
    place.credentials.ended([first.key])  # of nobody any more


def test_one_that_was_ended_on_the_way_in_closes_at_once(place: Place) -> None:
    """The doorkeeper told it between the look and the note, when nobody held it."""
    gone = place.known(DIGEST, 1, 3600)
    place.tables.credentials.delete(DIGEST)
    assert place.come(1, gone).codes == [CODE_ENDED]


def test_a_change_closes_who_may_not_see_prices_any_more(place: Place) -> None:
    credential = place.known(DIGEST, 1, 3600)
    client = place.come(1, credential)
    place.known(DIGEST, 1, 3600, role=Role.ADMIN, scopes=SCOPES[Role.ADMIN])
    place.credentials.changed([credential.key])
    assert client.codes == []
    for changes in ({"scopes": frozenset({Scope.METRICS_READ})}, {"must_change": True}):
        client = place.come(1, credential)
        place.known(DIGEST, 1, 3600, **changes)
        place.credentials.changed([credential.key])
        assert client.codes == [CODE_ENDED], changes


def test_one_that_ends_soon_is_told_once_and_again_when_it_was_used_meanwhile(
    place: Place,
) -> None:
    client = place.come(1, place.known(DIGEST, 1, 65.0))
    place.credentials.look(NOW)
    assert place.broadcaster.told == []
    for _ in range(2):
        place.credentials.look(NOW.after(5.0))
    assert place.broadcaster.told == [Notify(1, b'{"type":"expiring","in":60}')]
    place.known(DIGEST, 1, 3600)  # it was used
    place.credentials.look(NOW.after(10.0))
    place.credentials.look(NOW.after(3590.0))
    assert [message.payload for message in place.broadcaster.told[1:]] == [
        b'{"type":"expiring","in":10}'
    ]
    assert client.codes == []
    place.credentials.look(NOW.after(3600.0))
    assert client.codes == [CODE_ENDED]


def test_what_let_a_stream_of_events_in_is_confirmed_until_it_closes(place: Place) -> None:
    """Nobody closes it as a client: `web` ends all streams."""
    credential = place.known(DIGEST, 1, 65.0)
    client = place.come(1, credential)
    for shown in (credential, None):
        principal = Principal(Kind.SESSION, "ada", frozenset(), credential=shown, digest=DIGEST)
        with place.credentials.held(2, principal):
            held = {1, 2} if shown else {1}
            assert set(place.tables.socket_credentials.rows) == held
            place.credentials.look(NOW.after(70.0))
        assert set(place.tables.socket_credentials.rows) == {1}
    assert client.codes == [CODE_ENDED, CODE_ENDED]


def test_a_new_life_of_web_holds_nothing_of_the_one_before(place: Place) -> None:
    place.come(1, place.known(DIGEST, 1, 3600))
    ClientCredentials(place.tables, place.broadcaster)  # type: ignore[arg-type]
    assert dict(place.tables.socket_credentials.rows) == {}
