"""One number asked of a real server by psql, as probes of experiments do."""

from __future__ import annotations

import pytest

from stockstream.database.one_number import NoNumber, ask_number
from stockstream.database.servers import Server


@pytest.mark.proves("C6")
@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("SELECT 42", 42.0),
        ("SELECT count(*) FROM ticks", 0.0),
        ("SELECT 1.5 -- a comment", 1.5),
        ("SELECT 1;", 1.0),
    ],
)
async def test_a_number_is_answered(sql: str, number: float, database_url: str) -> None:
    assert await ask_number(Server("DATABASE_URL", database_url), sql, 5.0) == number


@pytest.mark.proves("C6")
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 'x'", "the query answered 'x'"),
        ("SELECT 1 UNION SELECT 2", "and not one number"),
        ("SELECT 1 WHERE false", "the query answered ''"),
        ("SELECT nothing", 'column "nothing" does not exist'),
        ("DELETE FROM ticks", "read-only transaction"),
        ("SELECT pg_sleep(60)", "statement timeout"),
    ],
)
async def test_what_answers_no_number_says_so(sql: str, told: str, database_url: str) -> None:
    """A probe looks and changes nothing; it does not wait for ever either."""
    with pytest.raises(NoNumber, match=told):
        await ask_number(Server("DATABASE_URL", database_url), sql, 0.5)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://nobody:secret@127.0.0.1:1/none", "Connection refused"),
        ("postgresql://127.0.0.1/x?nonsense=1", "nonsense"),
    ],
)
async def test_a_server_that_is_not_there_is_named_without_its_password(
    url: str, told: str
) -> None:
    with pytest.raises(NoNumber, match=told) as caught:
        await ask_number(Server("DATABASE_URL", url), "SELECT 1", 5.0)
    assert "secret" not in str(caught.value)
