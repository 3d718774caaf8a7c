"""The jobs `webhooks` and `mail`: once a minute, one node looks for what is due of each queue.

The actors of both look by themselves, much more often. A run tells what there is, and ends any
pause that its node's actor is in. What that may post is still said by its own rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream import paths
from stockstream.alerts.mail.mailer import LookForLetters
from stockstream.alerts.queue_counts import CountCalls, CountLetters
from stockstream.alerts.webhooks import LookForCalls
from stockstream.database.query import ask
from stockstream.jobs.job import Done, JobSpec, Wakes
from stockstream.jobs.schedule import Every

if TYPE_CHECKING:
    from supervision import ActorRef

EVERY_SECONDS = 60.0
RETRY_SECONDS = 5.0
DEADLINE_SECONDS = 60.0


def webhook_job() -> JobSpec:
    """Calls of webhooks."""
    return _look(
        "webhooks", "calls of webhooks", CountCalls(), Wakes(paths.WEBHOOKS, LookForCalls())
    )


def mail_job() -> JobSpec:
    """Letters."""
    return _look("mail", "letters", CountLetters(), Wakes(paths.MAILER, LookForLetters()))


def _look(name: str, what: str, count: CountCalls | CountLetters, wakes: Wakes) -> JobSpec:
    async def work(database: ActorRef) -> Done:
        return Done(str(await ask(database, count)), quiet=True)

    return JobSpec(
        name=name,
        about=f"looks for {what} that are due, and tells how many wait",
        schedule=Every(EVERY_SECONDS),
        work=work,
        deadline=DEADLINE_SECONDS,
        retry=RETRY_SECONDS,
        at_start=True,
        wakes=wakes,
    )
