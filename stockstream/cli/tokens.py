"""`stockstream tokens`: API tokens of accounts, straight in the database."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.table import Table
from rich.text import Text

from stockstream.cli.author import command_author
from stockstream.cli.db.common import Json, print_json, visiting
from stockstream.cli.printing import dated, table_console
from stockstream.errors import StartError, UsageError
from stockstream.quotes import iso_utc
from stockstream.times import now_ms
from stockstream.users.accounts import FindAccount
from stockstream.users.api_tokens import key_of, looks_like_token, new_token
from stockstream.users.roles import SCOPES, Scope
from stockstream.users.rows import RowRefusal
from stockstream.users.token_rows import (
    DAY_SECONDS,
    MOST_DAYS,
    USUAL_DAYS,
    ApiToken,
    CreateToken,
    ListTokens,
    RevokeToken,
    check_name,
)

if TYPE_CHECKING:
    from stockstream.cli.db.common import Visit
    from stockstream.users.accounts import Account

_TIMES = ("created", "expires", "used", "revoked")

tokens = App(
    name="tokens",
    help="""Make, list and revoke API tokens: what programs show instead of a login.

A token belongs to an account, has some of what its role may do, and ends. It is shown once, and \
only its hash is kept. The commands work on the database itself; running servers notice within 10 s.

For example:

- `stockstream tokens create prometheus --account ops --scope metrics:read > token`
- `stockstream tokens list` shows all, and when each was last used
- `stockstream tokens revoke 3fK9aB2x` ends one, by the 8 characters after its `ss_`
""",
    help_format="markdown",
)


@tokens.command
async def create(
    name: str,
    *,
    account: str,
    scope: tuple[str, ...],
    days: Annotated[float, Parameter(validator=Number(gt=0, lte=MOST_DAYS))] = USUAL_DAYS,
    as_json: Json = False,
) -> int:
    """Make a token, and print it: nobody can show it again.

    Parameters
    ----------
    name
        What it is for.
    account
        Whose it is.
    scope
        What it allows, as prices:read; may be given several times. The account's role has to have
        it.
    days
        After so many days it ends, 366 at most.
    as_json
        Print JSON.
    """
    try:
        called = check_name(name)
    except ValueError as error:
        raise UsageError(f"NAME: {error}") from None
    if math.isnan(days):
        raise UsageError("--days: nan is no number of days")
    wanted = frozenset(map(_scope, scope))
    token = new_token()
    async with visiting() as visit:
        whose = await _account(visit, account)
        query = CreateToken(
            command_author(visit.settings),
            whose.id,
            called,
            wanted,
            days * DAY_SECONDS,
            token,
        )
        made = await visit.ask(query)
    if isinstance(made, RowRefusal):
        if made.field == "scopes":
            there = ", ".join(sorted(SCOPES[whose.role]))
            raise UsageError(f"--scope: {made.reason}; there are {there}")
        raise StartError(f"no token was made: {made.reason}")
    if as_json:
        print_json({"token": token.text, **dated(made, *_TIMES)})
        return 0
    sys.stdout.write(f"{token.text}\n")
    sys.stderr.write(
        f"stockstream: it is shown this once; it ends {iso_utc(made.expires)}, and "
        f"`stockstream tokens revoke {made.key}` ends it before\n"
    )
    return 0


@tokens.command(name="list")
async def list_tokens(*, account: str | None = None, as_json: Json = False) -> int:
    """List tokens, the newest first.

    Parameters
    ----------
    account
        Only those of this account.
    as_json
        Print JSON.
    """
    async with visiting() as visit:
        whose = None if account is None else (await _account(visit, account)).id
        found = await visit.ask(ListTokens(whose))
    if as_json:
        print_json({"tokens": [dated(token, *_TIMES) for token in found]})
        return 0
    table = Table(box=None, pad_edge=False)
    for title in ("KEY", "ACCOUNT", "NAME", "SCOPES", "LAST USED", "STATE"):
        table.add_column(title)
    now = now_ms()
    for token in found:
        used = "never" if token.used is None else iso_utc(token.used)[:16]
        scopes = ", ".join(token.scopes)
        cells = (token.key, token.account_name, token.name, scopes, used, _state(token, now))
        table.add_row(*map(Text, cells))
    table_console().print(table)
    return 0


@tokens.command
async def revoke(key: str, *, as_json: Json = False) -> int:
    """End a token now.

    Parameters
    ----------
    key
        The 8 characters after its `ss_`; the whole token does as well.
    as_json
        Print JSON.
    """
    wanted = key
    if looks_like_token(key):
        found = key_of(key)
        if found is None:
            raise UsageError("KEY: this is no token of ours: its checksum is wrong")
        wanted = found
    async with visiting() as visit:
        revoked = await visit.ask(RevokeToken(command_author(visit.settings), wanted))
    if isinstance(revoked, RowRefusal):
        raise UsageError(f"KEY: {revoked.reason}; `stockstream tokens list` shows them")
    if as_json:
        print_json(dated(revoked, *_TIMES))
    else:
        sys.stdout.write(f"{revoked.key} of {revoked.account_name}: {_state(revoked, now_ms())}\n")
    return 0


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        there = ", ".join(Scope)
        raise UsageError(f"--scope: {text[:64]!r} is none; there are {there}") from None


async def _account(visit: Visit, name: str) -> Account:
    found = await visit.ask(FindAccount(name=name))
    if found is None:
        raise UsageError(f"--account: there is no account {name[:64]!r}")
    return found


def _state(token: ApiToken, now: int) -> str:
    if token.revoked is not None:
        return f"revoked {iso_utc(token.revoked)[:16]}"
    if token.expires <= now:
        return f"expired {iso_utc(token.expires)[:16]}"
    return f"until {iso_utc(token.expires)[:16]}"
