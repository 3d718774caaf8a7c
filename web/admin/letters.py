"""`/admin/api/mail`: the queue of letters, and those that were given up sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from quart import Blueprint
from werkzeug.exceptions import Conflict, NotFound

from stockstream import paths
from stockstream.alerts.mail.mailer import LookForLetters
from stockstream.alerts.mail.queue_rows import FetchLetterQueue, SendAgain
from stockstream.users.roles import Scope
from stockstream.users.rows import RowRefusal
from web.admin.bodies import ROW_NUMBER
from web.answers import json_answer
from web.asking import ask_database
from web.audited import audited, current_author
from web.users.gate import allow, require

if TYPE_CHECKING:
    from quart import Response

    from web.parts import Parts


class NoSuchLetterError(NotFound):
    """There is none of that number, or it is gone."""

    word: ClassVar[str] = "no_such_letter"


class NotSentError(Conflict):
    """It is not sent again; the message says why."""

    word: ClassVar[str] = "not_sent"


def letters_api(parts: Parts) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("letters_api", __name__, url_prefix="/admin/api/mail")
    blueprint.before_request(require(Scope.ADMIN_READ))

    @blueprint.get("")
    async def queue() -> Response:
        return json_answer((await ask_database(parts.database, FetchLetterQueue())).value)

    @blueprint.post(f"/<{ROW_NUMBER}:letter>/send")
    async def send(letter: int) -> Response:
        allow(Scope.ADMIN_WRITE)
        with audited(current_author(), "mail.send_again", str(letter)) as act:
            if parts.tables.mail.value is None:
                raise NotSentError("this node sends no mail: SMTP_URL is not set")
            done = (await ask_database(parts.database, SendAgain(letter))).value
            if done is None:
                raise NoSuchLetterError(f"there is no letter {letter}")
            if isinstance(done, RowRefusal):
                raise NotSentError(f"the letter {letter} is not sent again: {done.reason}")
            act.after = {"receiver": done.receiver}
            parts.system.ref(paths.MAILER).cast(LookForLetters())
        return json_answer(done)

    return blueprint
