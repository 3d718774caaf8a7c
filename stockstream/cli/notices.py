"""`stockstream notices`: whether they arrive at OPERATOR_WEBHOOK, and what to check them with."""

from __future__ import annotations

import sys

from cyclopts import App

from stockstream import part_settings
from stockstream.alerts.posting import Poster
from stockstream.environment import NOT_MADE_YET, Configuration, load
from stockstream.errors import ConfigurationError
from stockstream.notices.letters import OPERATORS, letter_of
from stockstream.notices.notice import Notice, NoticeKind
from stockstream.quotes import iso_utc
from stockstream.times import now_ms

notices = App(
    name="notices",
    help="""Notices for operators, as a server with the settings of this directory posts them.

What they tell of, and when, is in docs/notices.md. A running server need not be there.

For example:

- `stockstream notices try` posts one to OPERATOR_WEBHOOK, and says what came of it
- `stockstream notices secret` prints what its receiver checks signatures with
""",
    help_format="markdown",
)


@notices.command(name="try")
async def try_one() -> int:
    """Post one notice of the kind `trial`, once, and say what came of it.

    Exit codes: 0 it was taken, 1 it was not, 2 settings.
    """
    settings = part_settings.notices((loaded := _loaded().settings), lambda: loaded)
    address, now = settings.address(), now_ms()
    if address is None:
        raise ConfigurationError("OPERATOR_WEBHOOK: is not set, so nothing is posted")
    notice = Notice(
        id=f"{settings.node}-{now}-0",
        kind=NoticeKind.TRIAL,
        subject="notices",
        state="tried",
        bad=False,
        text="somebody wants to see that notices arrive",
        node=settings.node,
        at=iso_utc(now),
        count=1,
    )
    async with await Poster.opened(settings.policy, settings.signer, settings.seconds) as poster:
        outcome = await poster.send(letter_of(notice, address), settings.lookups)
    answer = "" if outcome.status is None else f" with status {outcome.status}"
    if outcome.reason is None:
        sys.stdout.write(f"taken{answer} after {outcome.seconds:.2f} s\n")
        return 0
    sys.stderr.write(f"not taken: {outcome.reason}\n")
    return 1


@notices.command
def secret() -> None:
    """Print the secret of the signatures: give it to the receiver, and to nobody else.

    It follows from SECRET_KEY_BASE, and changes with it.
    """
    configuration = _loaded()
    settings = part_settings.notices(configuration.settings, lambda: configuration.settings)
    sys.stdout.write(f"{settings.signer.secret(OPERATORS)}\n")


def _loaded() -> Configuration:
    configuration = load()
    if configuration.sources["secret_key_base"] == NOT_MADE_YET:
        raise ConfigurationError(
            "SECRET_KEY_BASE: not made yet, so there are no signatures: start the server first"
        )
    return configuration
