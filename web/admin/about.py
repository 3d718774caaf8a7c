"""`/admin/api/about`: what runs here: its version, its schema, the settings in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec
from quart import Blueprint

from stockstream.database.query import DatabaseError, Purpose, Query, ask
from stockstream.shown_settings import ShownSetting
from stockstream.users.roles import Scope
from web.answers import json_answer
from web.users.gate import require

if TYPE_CHECKING:
    from quart import Response

    from stockstream.database.query import Connection
    from web.parts import Parts


class AboutDocument(msgspec.Struct, frozen=True):
    """`started` in ms since 1970. `schema` is null while the database does not answer."""

    node: str
    version: str
    commit: str
    python: str
    started: int
    schema: str | None
    settings: list[ShownSetting]


@dataclass(frozen=True, slots=True)
class FetchSchema(Query[str | None]):
    """The version of the schema."""

    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> str | None:
        """Ask for it."""
        version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        return version


def about_api(parts: Parts) -> Blueprint:
    """The route."""
    blueprint = Blueprint("about_api", __name__, url_prefix="/admin/api/about")
    blueprint.before_request(require(Scope.ADMIN_READ))

    @blueprint.get("")
    async def about() -> Response:
        try:
            schema = await ask(parts.database, FetchSchema())
        except DatabaseError:
            schema = None  # the page says elsewhere that it is away
        build = parts.telemetry.build
        return json_answer(
            AboutDocument(
                parts.settings.node,
                build.version,
                build.commit,
                build.python,
                parts.telemetry.process.started,
                schema,
                list(parts.settings.shown()),
            )
        )

    return blueprint
