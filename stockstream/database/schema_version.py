"""The version of the schema in a database, and which programs may use it.

A newer program migrates while nodes of the one before go on, and may be rolled back after that. So
each version says from which version on a program may use it (`usable_from` in its module): a
program that knows less may not, one that knows it goes on with what it knows. It is kept in the
database, as a comment on Alembic's table, because the older program has never seen the version.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from stockstream.database.query import Connection

_SAID = re.compile(r"usable from (\d{4})")
_ASK = "SELECT obj_description(to_regclass('alembic_version'), 'pg_class')"


def told(usable_from: str) -> str:
    """The comment that keeps it."""
    return f"usable from {usable_from}"


class SchemaVersion(NamedTuple):
    """`version` is None where there are no tables of ours; `usable_from` where nobody has said."""

    version: str | None
    usable_from: str | None = None

    @classmethod
    async def of(cls, connection: Connection) -> Self:
        """What a database has."""
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return cls(None)
        version: str | None = await connection.fetchval(
            "SELECT max(version_num) FROM alembic_version"
        )
        said = _SAID.fullmatch(await connection.fetchval(_ASK) or "")
        return cls(version, said[1] if said else None)

    def is_newer(self, known: Sequence[str]) -> bool:
        """Whether a program that knows these versions has never seen it."""
        return self.version is not None and self.version not in known

    def is_usable(self, known: Sequence[str]) -> bool:
        """Whether a program that knows these may use a newer one."""
        return self.usable_from is not None and self.usable_from <= known[-1]

    def is_for_fewer_than(self, usable_from: str) -> bool:
        """Whether its version asked for newer programs when it was made, or said nothing."""
        return self.usable_from is None or self.usable_from > usable_from

    def why_not(self, known: Sequence[str]) -> str:
        """What to say of a newer one that it may not use."""
        return (
            f"the schema is at version {self.version}, and this program knows {known[-1]} at most: "
            "run the newer program, or roll back with it"
        )
