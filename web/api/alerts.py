"""`/api/v1/alerts/rules`: a user's rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta
from quart import Blueprint, url_for

from stockstream.alerts.mail.addresses import LONGEST_ADDRESS, WrongAddress, read_address
from stockstream.alerts.rule_rows import MOST_RULES, RULES, Wanted
from stockstream.alerts.rules import USUAL_COOLDOWN, USUAL_HYSTERESIS, Kind, Rule
from stockstream.alerts.targets import LONGEST_URL, Forbidden, TargetPolicy, check_url
from stockstream.messages import RulesChanged
from stockstream.quotes import Symbol, iso_utc
from stockstream.symbol_states import away
from stockstream.users.rows import (
    ChangeRow,
    CreateRow,
    DeleteRow,
    FetchRow,
    FetchRows,
    RestoreRow,
    RowRefusal,
)
from web.answers import json_answer
from web.api.answers import made
from web.api.bodies import InvalidFieldError, SymbolText, read_body
from web.api.errors import (
    CHANGE_ERRORS,
    MOVE_ERRORS,
    NEW_ERRORS,
    ONE_ERRORS,
    READ_ERRORS,
)
from web.api.openapi import documented
from web.api.rows import DELETED_CURSOR, ROW, ask_row, deleted_page
from web.api.rule_trouble import RuleTrouble, trouble_of
from web.asking import ask_database
from web.parameters import Wrong, read_symbol
from web.users.access import admit_user, current_user, require_new_row_allowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart import Response

    from stockstream.database.query import Query
    from web.parameters import Asked
    from web.parts import Parts

SHORTEST_WINDOW, LONGEST_WINDOW = 10, 86_400
LONGEST_COOLDOWN = 86_400
HIGHEST_PRICE = 1e12


def _schema(**schema: object) -> Meta:
    """A schema for the document. `_read` checks it, and names everything that is wrong at once."""
    return Meta(extra_json_schema=schema)


class RuleGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST and PUT: the rule.

    A `move` has a `window`, a threshold of at most 100 percent, and a hysteresis below it.
    """

    symbol: SymbolText
    kind: Kind
    threshold: Annotated[float, _schema(exclusiveMinimum=0, maximum=HIGHEST_PRICE)]
    window: Annotated[int, _schema(minimum=SHORTEST_WINDOW, maximum=LONGEST_WINDOW)] | None = None
    hysteresis: Annotated[float, _schema(minimum=0, maximum=100)] = USUAL_HYSTERESIS
    cooldown: Annotated[int, _schema(minimum=0, maximum=LONGEST_COOLDOWN)] = USUAL_COOLDOWN
    webhook: (
        Annotated[str, _schema(format="uri", pattern="^https?://", maxLength=LONGEST_URL)] | None
    ) = None
    mail: Annotated[str, _schema(format="email", maxLength=LONGEST_ADDRESS)] | None = None


class WebhookItem(msgspec.Struct, frozen=True):
    """Where a rule posts to, and the secret that the receiver checks signatures with."""

    url: str
    secret: str


class RuleItem(msgspec.Struct, frozen=True):
    """A rule. `armed` is null until its first price was judged.

    Prices in another `currency` are not compared; null until one has told its own. `trouble` is
    why it cannot fire as things are, null where it can. What fires is mailed to `mail`, once that
    address has confirmed.
    """

    id: int
    symbol: str
    kind: Kind
    threshold: float
    window: int | None
    hysteresis: float
    cooldown: int
    webhook: WebhookItem | None
    armed: bool | None
    currency: str | None
    trouble: RuleTrouble | None
    mail: str | None


class RuleLimits(msgspec.Struct, frozen=True):
    """The limits; times in seconds."""

    rules: int = MOST_RULES
    shortest_window: int = SHORTEST_WINDOW
    longest_window: int = LONGEST_WINDOW
    longest_cooldown: int = LONGEST_COOLDOWN


class RulesAnswer(msgspec.Struct, frozen=True):
    """All rules of the user, by symbol."""

    rules: list[RuleItem]
    limits: RuleLimits = RuleLimits()


class DeletedRule(RuleItem, frozen=True):
    """A rule that was deleted, and when."""

    deleted_at: str


class DeletedRules(msgspec.Struct, frozen=True):
    """Rules that can be restored, the last ones first, 20 at once; `next_cursor` asks for those
    that were deleted before, null when there are none.
    """

    rules: list[DeletedRule]
    next_cursor: str | None


def alerts_api(parts: Parts) -> Blueprint:
    """The routes. Each needs the user's cookie; the rules of other users are not found."""
    blueprint = Blueprint("alerts", __name__, url_prefix="/api/v1/alerts")
    database, policy = parts.database, parts.settings.targets

    blueprint.before_request(admit_user)

    def item(rule: Rule) -> RuleItem:
        webhook = None
        if rule.webhook is not None:
            webhook = WebhookItem(rule.webhook, parts.settings.signer.secret(rule.owner))
        said = rule.symbol, rule.kind, rule.threshold, rule.window
        pace = rule.hysteresis, rule.cooldown
        gone, now = away(parts.tables.feeds.rows), parts.settings.wall_clock_ms()
        trouble = trouble_of(rule, parts.tables, gone, now)
        return RuleItem(
            rule.id, *said, *pace, webhook, rule.armed, rule.currency, trouble, rule.mail
        )

    def currency(symbol: Symbol) -> str | None:
        """What its newest price is in: whoever makes a rule has seen that one."""
        row = parts.tables.quotes.get(symbol)
        return None if row is None else row.quote.currency

    async def changed(query: Query[Rule | RowRefusal]) -> RuleItem:
        rule = await ask_row(database, query)
        parts.alerts.cast(RulesChanged(owner=rule.owner))
        return item(rule)

    @blueprint.get("/rules")
    @documented(RulesAnswer, errors=READ_ERRORS, user=True)
    async def rules() -> Response:
        """The user's rules, by symbol."""
        found = (await ask_database(database, FetchRows(RULES, current_user()))).value
        return json_answer(RulesAnswer([item(rule) for rule in found]))

    @blueprint.post("/rules")
    @documented(RuleItem, status=201, body=RuleGiven, errors=NEW_ERRORS, user=True)
    async def create() -> Response:
        """Make a rule; `Location` says where it is."""
        wanted = _read(await read_body(RuleGiven), policy, currency)
        require_new_row_allowed()
        row = await changed(CreateRow(RULES, current_user(), wanted))
        return made(row, url_for("alerts.one", number=row.id))

    @blueprint.get("/rules/deleted")
    @documented(DeletedRules, DELETED_CURSOR, errors=READ_ERRORS, user=True)
    async def deleted(asked: Asked) -> Response:
        """Rules that the user deleted of late, and can restore."""
        place = asked[DELETED_CURSOR]
        found, following = await deleted_page(database, RULES, current_user(), place)
        told = [
            DeletedRule(**msgspec.structs.asdict(item(gone.row)), deleted_at=iso_utc(gone.deleted))
            for gone in found
        ]
        return json_answer(DeletedRules(told, following))

    @blueprint.get("/rules/<row:number>")
    @documented(RuleItem, ROW, errors=ONE_ERRORS, user=True)
    async def one(asked: Asked) -> Response:
        """One rule."""
        rule = await ask_row(database, FetchRow(RULES, current_user(), asked[ROW]))
        return json_answer(item(rule))

    @blueprint.put("/rules/<row:number>")
    @documented(RuleItem, ROW, body=RuleGiven, errors=CHANGE_ERRORS, user=True)
    async def replace(asked: Asked) -> Response:
        """Replace a rule."""
        wanted = _read(await read_body(RuleGiven), policy, currency)

        def replaced(before: Rule) -> Wanted:
            if (before.symbol, before.threshold) != (wanted.symbol, wanted.threshold):
                return wanted
            return msgspec.structs.replace(wanted, currency=before.currency)

        query = ChangeRow(RULES, current_user(), asked[ROW], replaced)
        return json_answer(await changed(query))

    @blueprint.delete("/rules/<row:number>")
    @documented(RuleItem, ROW, errors=MOVE_ERRORS, user=True)
    async def delete(asked: Asked) -> Response:
        """Delete a rule; it can be restored."""
        return json_answer(await changed(DeleteRow(RULES, current_user(), asked[ROW])))

    @blueprint.post("/rules/<row:number>/restore")
    @documented(RuleItem, ROW, errors=MOVE_ERRORS, user=True)
    async def restore(asked: Asked) -> Response:
        """Bring a deleted rule back."""
        return json_answer(await changed(RestoreRow(RULES, current_user(), asked[ROW])))

    return blueprint


def _read(
    given: RuleGiven, policy: TargetPolicy, currency: Callable[[Symbol], str | None]
) -> Wanted:
    wrong: dict[str, str] = {}
    symbol = Symbol("")
    try:
        symbol = read_symbol(given.symbol)
    except Wrong as error:
        wrong["symbol"] = str(error)
    is_move = given.kind is Kind.MOVE
    most = 100.0 if is_move else HIGHEST_PRICE
    if not 0 < given.threshold <= most or not math.isfinite(given.threshold):
        wrong["threshold"] = f"above 0, at most {most:,.0f}{' percent' if is_move else ''}"
    if is_move and not SHORTEST_WINDOW <= (given.window or 0) <= LONGEST_WINDOW:
        wrong["window"] = f"{SHORTEST_WINDOW} to {LONGEST_WINDOW} seconds"
    elif not is_move and given.window is not None:
        wrong["window"] = "only a move has one"
    most = given.threshold if is_move else 50.0
    if not 0 <= given.hysteresis <= most or (is_move and given.hysteresis == most):
        wrong["hysteresis"] = (
            f"percent, at least 0 and {'below' if is_move else 'at most'} {most:g}"
        )
    if not 0 <= given.cooldown <= LONGEST_COOLDOWN:
        wrong["cooldown"] = f"0 to {LONGEST_COOLDOWN} seconds"
    if given.webhook is not None:
        try:
            check_url(given.webhook, policy)
        except Forbidden as error:
            wrong["webhook"] = str(error)
    mail = None
    if given.mail is not None:
        try:
            mail = read_address(given.mail)
        except WrongAddress as error:
            wrong["mail"] = str(error)
    if wrong:
        raise InvalidFieldError(wrong)
    said = given.kind, given.threshold, given.window
    pace = given.hysteresis, given.cooldown
    return Wanted(symbol, *said, *pace, given.webhook, currency(symbol), mail)
