"""Writes what operators do into the audit: one entry for each action, whatever its end."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import structlog
from quart import current_app
from werkzeug.exceptions import HTTPException, InternalServerError

from stockstream.users.audit_keeper import EntriesWait
from stockstream.users.operator_audit import Author
from web.request_caller import current_caller
from web.users.principal import Kind, current_principal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quart import Quart
    from structlog.stdlib import BoundLogger

    from stockstream.audit_inbox import AuditEntry, AuditInbox
    from stockstream.credential_keys import CredentialKey
    from supervision import ActorRef
    from web.callers import Caller
    from web.users.principal import Principal

DONE = "done"
CUT_OFF = "not known"
"""Of an action whose end this process did not see: its asker is gone, or `web` was killed."""
ADMIN_TOKEN = "ADMIN_TOKEN"  # noqa: S105 - the name of the setting
BREAK_GLASS = "break-glass"
"""The credential of who has the admin token, which is no account's."""
LOAD_SECONDS = 3_600.0
_EXTENSION = "stockstream_audit"

_log: BoundLogger = structlog.get_logger("audit")


class Audit:
    """Where entries go; of one life of `web`."""

    def __init__(self, inbox: AuditInbox, keeper: ActorRef, node: str) -> None:
        self.node = node
        self._inbox = inbox
        self._keeper = keeper
        self._load: dict[CredentialKey, float] = {}

    def note(self, entry: AuditEntry) -> None:
        """Have an entry stored, now or when the database is there; the log has it at once.

        It never waits. Only for tasks of `web`.
        """
        _log.info(
            entry.action,
            who=entry.who,
            credential=entry.credential,
            address=entry.address,
            target=entry.target,
            before=entry.before,
            after=entry.after,
            outcome=entry.outcome,
            entry=entry.key,
        )
        if not self._inbox.append(entry):
            _log.error("the audit has no room for an entry", entry=entry.key)
        self._keeper.cast(EntriesWait())

    def note_load(self, principal: Principal, caller: Caller, now: float) -> None:
        """Note that somebody is let in beyond the limits by address: once per token and hour."""
        credential = principal.credential
        if credential is None or now < self._load.get(credential.key, 0.0):
            return
        self._load = {key: until for key, until in self._load.items() if now < until}
        self._load[credential.key] = now + LOAD_SECONDS
        author = Author(
            principal.name,
            principal.account_id,
            str(credential.key),
            caller.address,
            self.node,
        )
        self.note(author.entry("load.use"))


@dataclass(slots=True)
class Audited:
    """An action that is under way; what is known of its end goes into its entry."""

    outcome: str = DONE
    after: object = None
    before: object = None


def install(app: Quart, audit: Audit) -> None:
    """Tell this app where entries go."""
    # Of its own: neither LOG_LEVEL nor a level that somebody lends silences it.
    logging.getLogger("audit").setLevel(logging.INFO)
    app.extensions[_EXTENSION] = audit


def current_author() -> Author:
    """Who the request at hand is of, for an entry."""
    principal = current_principal()
    if principal.kind is Kind.BREAK_GLASS:
        return break_glass_author(principal.name)
    credential = principal.credential
    return Author(
        principal.name,
        principal.account_id,
        principal.kind.value if credential is None else str(credential.key),
        current_caller().address,
        _installed().node,
    )


def break_glass_author(name: str) -> Author:
    """Who has the admin token: shown with the request, or by the login of that name."""
    credential = BREAK_GLASS if name == "token" else f"{BREAK_GLASS} {name}"
    return Author(ADMIN_TOKEN, None, credential, current_caller().address, _installed().node)


def note(entry: AuditEntry) -> None:
    """Note an entry in the audit of this app."""
    _installed().note(entry)


@contextmanager
def audited(
    author: Author, action: str, target: str | None = None, *, after: object = None
) -> Iterator[Audited]:
    """Note an action when its `with` is over: done, refused, failed, or cut off.

    `after` is what was asked for, unless the action says more while it is under way.
    """
    act = Audited(after=after)
    try:
        yield act
    except HTTPException as error:
        act.outcome = _named(error)
        raise
    except Exception:
        act.outcome = "failed: internal_server_error"
        raise
    except BaseException:
        act.outcome = CUT_OFF
        raise
    finally:
        note(author.entry(action, target, before=act.before, after=act.after, outcome=act.outcome))


def _installed() -> Audit:
    return cast("Audit", current_app.extensions[_EXTENSION])


def _named(error: HTTPException) -> str:
    """How an action ended, by its answer's word for programs."""
    word = getattr(error, "word", error.name.lower().replace(" ", "_"))
    kind = "failed" if (error.code or 500) >= InternalServerError.code else "refused"
    return f"{kind}: {word}"
