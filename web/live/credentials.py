"""What let the clients of this life of `web` in, and what they are told when it ends.

A client that came with a session or an API token is here for as long as that lives. The table
`socket_credentials` says so to the doorkeeper, which confirms these every few seconds.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING

from stockstream.delivery.messages import Notify
from stockstream.delivery.protocol import Expiring, encode
from stockstream.users.credentials import Held
from stockstream.users.roles import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stockstream.credential_keys import CredentialKey
    from stockstream.tables import Tables
    from stockstream.times import Moment
    from supervision import ActorRef
    from web.live.client import Client
    from web.users.principal import Principal

CODE_ENDED = 4503
WARNING_SECONDS = 60.0
LOOK_SECONDS = 5.0
ENDED = "the login has ended"
CHANGED = "this login may not see prices any more"


class ClientCredentials:
    """See the module; the one writer of `socket_credentials`, with the actor `web`."""

    def __init__(self, tables: Tables, broadcaster: ActorRef) -> None:
        self._known = tables.credentials
        self._held = tables.socket_credentials
        self._broadcaster = broadcaster
        self._clients: dict[CredentialKey, dict[int, Client]] = defaultdict(dict)
        self._warned: set[int] = set()
        for number in list(self._held.rows):  # of clients that went with the life before
            self._held.delete(number)

    def hold(self, client: Client, principal: Principal) -> None:
        """A client was let in as this principal; one whose credential is gone by now is closed."""
        credential = principal.credential
        if credential is None:
            return
        self._clients[credential.key][client.number] = client
        self._held.put(client.number, Held(principal.digest, credential.key))
        if principal.digest not in self._known.rows:
            client.ask_to_close(CODE_ENDED, ENDED)

    @contextmanager
    def held(self, number: int, principal: Principal) -> Iterator[None]:
        """Have confirmed what let a stream of events in, for as long as that is open: it asks for
        nothing more by itself. When its credential ends or changes, `web` ends all streams.
        """
        if principal.credential is not None:
            self._held.put(number, Held(principal.digest, principal.credential.key))
        try:
            yield
        finally:
            if self._held.get(number) is not None:
                self._held.delete(number)

    def forget(self, number: int) -> None:
        """A client has left."""
        held = self._held.get(number)
        if held is None:
            return
        self._held.delete(number)
        self._warned.discard(number)
        clients = self._clients[held.key]
        del clients[number]
        if not clients:
            del self._clients[held.key]

    def ended(self, keys: Iterable[CredentialKey]) -> None:
        """Nobody is let in by these any more: who was, is closed."""
        for client in self._of(keys):
            client.ask_to_close(CODE_ENDED, ENDED)

    def changed(self, keys: Iterable[CredentialKey]) -> None:
        """These go on, and allow something else: who may not see prices now, is closed."""
        for client in self._of(keys):
            row = self._known.get(self._held.rows[client.number].digest)
            credential = None if row is None else row.credential
            if (
                credential is None
                or credential.must_change
                or Scope.PRICES_READ not in credential.scopes
            ):
                client.ask_to_close(CODE_ENDED, CHANGED)

    def look(self, now: Moment) -> None:
        """Warn whose credential ends soon, and close whose has ended. Every `LOOK_SECONDS`."""
        for number, held in list(self._held.rows.items()):
            row = self._known.get(held.digest)
            client = self._clients.get(held.key, {}).get(number)
            if row is None or client is None:
                continue  # the doorkeeper tells when it is gone; a stream of events needs no more
            left = row.ends - now
            if left <= 0:
                client.ask_to_close(CODE_ENDED, ENDED)
            elif left > WARNING_SECONDS:
                self._warned.discard(number)  # it was used, and goes on
            elif number not in self._warned:
                self._warned.add(number)
                self._broadcaster.cast(Notify(number, encode(Expiring(ceil(left)))))

    def _of(self, keys: Iterable[CredentialKey]) -> list[Client]:
        return [client for key in keys for client in self._clients.get(key, {}).values()]
