"""Secrets that change while the server runs: the actor that reads them again, and what they are.

SIGHUP asks for it. Each part that uses a changed one is told by a message, and uses it from then
on; a part that is killed begins its next life with what is here. What cannot change in a running
server is said in the log, and so is a mistake, which changes nothing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream import part_settings, paths
from stockstream.cluster.messages import AccessChanged
from stockstream.config import PRIVATE
from stockstream.database.url import read_database_url
from stockstream.environment import load
from stockstream.errors import ConfigurationError
from stockstream.market.feeds.renewal import AccessRenewed, ProviderRenewed
from stockstream.market.providers import InvalidProviderUrl
from stockstream.market.providers.chosen import Polled, push_provider
from stockstream.messages import ReadSecrets, SecretsRead, ServerReady, TokensChanged
from stockstream.users.oidc.messages import ClientSecretChanged
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import SecretStr
    from structlog.stdlib import BoundLogger

    from stockstream.config import Settings
    from stockstream.environment import Configuration
    from stockstream.market.providers.push import Access, PushProvider
    from stockstream.upstreams import Upstream
    from supervision import System
    from web.users.break_glass import AdminAccess

READ_SECONDS = 10.0
"""A disk that hangs holds the reading for so long; the next SIGHUP tries again."""

_log: BoundLogger = structlog.get_logger("secrets")
_readers = trio.CapacityLimiter(4)
"""Threads of its own: a disk that hangs must not block those of others, nor the first that it holds
the next SIGHUP."""


class Current:
    """The settings as they are now, and what was made of them. Made once; `Secrets` alone writes.

    `asked` counts how often somebody wanted them read again.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Configuration] | None = None,
        sources: Mapping[str, str] | None = None,
    ) -> None:
        """`read` is how they are read again, where not as by a start; it blocks. `sources` are
        where they came from, for operators.
        """
        self.sources = sources or {}
        self.settings = settings
        self.read = read or partial(load, make_secrets=True)
        self.asked = self.answered = 0
        self.admin: AdminAccess | None = None
        self.pushed: dict[str, tuple[PushProvider, Access]] = {}
        self.polled: dict[str, Polled] = {}

    def ask(self, system: System) -> None:
        """Have the secrets read again."""
        self.asked += 1
        system.ref(paths.SECRETS).cast(ReadSecrets())


class Secrets(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True

    def __init__(self, current: Current) -> None:
        self._current = current
        self._wake = trio.Event()

    async def init(self) -> None:
        """Wait to be asked; what the last life was asked for is done now."""
        self.tasks.start_soon(self._run)

    @handles(ReadSecrets)
    def _on_read(self, _message: ReadSecrets) -> None:
        self._wake.set()

    async def _run(self) -> None:
        current = self._current
        while True:
            while current.answered == current.asked:
                self._wake = trio.Event()
                await self._wake.wait()
            asked = current.asked
            found = await self._read()
            changed = () if found is None else tuple(self._take(found.settings))
            current.answered = asked
            if found is not None:
                _log.info("the secrets are read again", changed=list(changed))
            self.system.emit(SecretsRead(self.path, changed, failed=found is None))

    async def _read(self) -> Configuration | None:
        found: Configuration | None = None
        reason = f"they were not there within {READ_SECONDS:g} s"
        try:
            with trio.move_on_after(READ_SECONDS):
                found = await trio.to_thread.run_sync(
                    self._current.read, abandon_on_cancel=True, limiter=_readers
                )
        except ConfigurationError as error:
            reason = str(error)
        if found is None:
            _log.error("the secrets are not read again; those of before stay", reason=reason)
            return None
        for text in found.warnings:
            _log.warning(text)
        return found

    def _take(self, new: Settings) -> list[str]:
        """Use what has changed; the names of those that are used now."""
        used = []
        for name in PRIVATE:
            before, value = getattr(self._current.settings, name), getattr(new, name)
            if before == value:
                continue
            if not _may_change(name, before, value):
                _log.warning(
                    "a changed secret is used from the next start on", setting=name.upper()
                )
                continue
            self._current.settings = self._current.settings.model_copy(update={name: value})
            self._tell(name)
            used.append(name.upper())
        return used + self._renew(new)

    def _tell(self, name: str) -> None:
        current, settings = self._current, self._current.settings
        match name:
            case "admin_token" | "chaos_token":
                if current.admin is not None:
                    # In this moment: no request is to come between.
                    part_settings.renew_tokens(current.admin, settings)
                self.system.ref(paths.WEB).cast(TokensChanged())
            case "operator_webhook" | "smtp_password":
                pass  # it is looked up for each post, and each connection
            case "cluster_nats_url":
                self.system.ref(paths.BUS).cast(AccessChanged(part_settings.nats_access(settings)))
            case "oidc_client_secret" if settings.oidc_client_secret is not None:
                changed = ClientSecretChanged(settings.oidc_client_secret)
                self.system.ref(paths.IDENTITY_PROVIDER).cast(changed)
            case _:
                # Its connections ask for the address each time.
                self.system.ref(paths.DATABASE).cast(ServerReady())

    def _renew(self, new: Settings) -> list[str]:
        """Hand changed keys to the feeds of their providers."""
        used, current = [], self._current
        for source in current.settings.providers:
            name, settings = source.name, current.settings
            key, secret = new.provider_keys.get(name), new.provider_secrets.get(name)
            changed = [
                variable
                for variable, before, value in (
                    (source.key_variable, settings.provider_keys.get(name), key),
                    (source.secret_variable, settings.provider_secrets.get(name), secret),
                )
                if before != value
            ]
            if not changed:
                continue
            try:
                self._hand_over(part_settings.upstream_of(source, key, secret))
            except InvalidProviderUrl as error:
                _log.error(
                    "a changed key cannot be used; the one of before stays",
                    provider=name,
                    reason=str(error),
                )
                continue
            current.settings = settings.with_provider_key(name, key, secret)
            used += changed
        return used

    def _hand_over(self, upstream: Upstream) -> None:
        """Raises `InvalidProviderUrl`; then nothing has changed."""
        current, name = self._current, upstream.name
        feed = self.system.ref(paths.feed(name))
        pushes = push_provider(upstream, verify_tls=current.settings.http_verify_tls)
        if pushes is not None:
            current.pushed[name] = pushes
            feed.cast(AccessRenewed(pushes[1]))
        else:
            polled = current.polled[name] = current.polled[name].renewed(upstream)
            feed.cast(ProviderRenewed(polled))


def _may_change(name: str, before: SecretStr | None, value: SecretStr | None) -> bool:
    """Whether a running server can go over to that."""
    if name in {"admin_token", "chaos_token", "operator_webhook", "smtp_password"}:
        return True
    if before is None or value is None:
        return False
    if name in {"database_url", "database_read_url"}:
        # Another server would have other data.
        one, other = (read_database_url(url.get_secret_value()) for url in (before, value))
        return (one.place, one.database) == (other.place, other.database)
    return name in {"cluster_nats_url", "oidc_client_secret"}
