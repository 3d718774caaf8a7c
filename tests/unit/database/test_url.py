"""The address of a database: what libpq takes is understood, done, or refused by name."""

from __future__ import annotations

import pytest

from stockstream.database.url import InvalidDatabaseUrl, read_database_url


@pytest.mark.proves("H1", "H13")
@pytest.mark.parametrize(
    ("url", "place", "user", "password", "database"),
    [
        ("postgresql://u:p%40w@h/db", "h:5432", "u", "p@w", "db"),
        ("postgres://u:p@h:99/my%2Fdb", "h:99", "u", "p", "my/db"),
        ("postgresql://u:a+b@h/db", "h:5432", "u", "a+b", "db"),
        ("postgresql://h/db?user=u&password=a+b%26", "h:5432", "u", "a+b&", "db"),
        ("postgresql://u@a:1,b:2,[::1]/db", "a:1,b:2,[::1]:5432", "u", None, "db"),
        ("postgresql:///?host=a,b&port=1,2&dbname=d", "a:1,b:2", None, None, "d"),
        ("postgresql://%2Frun%2Fpg/db", "/run/pg", None, None, "db"),
        ("postgresql://u@/db?host=/run/pg", "/run/pg", "u", None, "db"),
    ],
)
def test_a_place_is_read_as_libpq_reads_it(
    url: str, place: str, user: str | None, password: str | None, database: str | None
) -> None:
    """Several hosts, sockets and IPv6; what programs get of it has the same, and no password."""
    read = read_database_url(url)
    assert (read.place, read.user, read.password, read.database) == (
        place,
        user,
        password,
        database,
    )
    argument, environment = read.for_programs()
    again = read_database_url(argument)
    assert (again.endpoints, again.user, again.database) == (read.endpoints, user, database)
    assert again.password is None
    assert environment == ({} if password is None else {"PGPASSWORD": password})
    assert "p%40w" not in repr(read)
    assert "p@w" not in repr(read)


@pytest.mark.proves("H1")
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://u:hunter2@h/db", "must begin with postgresql://"),
        ("postgresql:///db", "has no host"),
        ("postgresql://u:hunter2@h:99999/db", "'99999' where a port should be"),
        ("postgresql://u:hunter2@a,b/db?port=1,2,3", "2 hosts and 3 ports"),
        ("postgresql://u:hunter2@h/db?search_path=ss", "parameter search_path is not one"),
        ("postgresql://u:hunter2@h/db?service=x", "parameter service is not one"),
        ("postgresql://u:hunter2@h/db?sslmode=yes", "parameter sslmode may be disable or"),
        ("postgresql://u:hunter2@h/db?connect_timeout=soon", "must be a whole number"),
        ("postgresql://u:hunter2@h/db?client_encoding=LATIN1", "client_encoding may be utf8"),
        ("postgresql://u:hunter2@h/db?sslmode=require&channel_binding=require", "verify-full"),
        ("postgresql://u:hunter2@h/db?sslmode=require&sslrootcert=system", "verify-full"),
        ("postgresql://u:hunter2@h/db?sslmode", "name=value"),
        ("postgresql://u:hunter2@[::1/db", "not closed"),
        ("postgresql://u:hun#ter2@h/db", "write %23"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(url: str, why: str) -> None:
    """And nothing is told of the password."""
    with pytest.raises(InvalidDatabaseUrl) as refused:
        read_database_url(url)
    assert why in str(refused.value)
    assert "ter2" not in str(refused.value)


@pytest.mark.proves("H13")
def test_what_only_we_understand_is_kept_from_programs() -> None:
    """As is a passphrase, which no environment variable carries."""
    read = read_database_url("postgresql://h/db?pgbouncer=true&ssl=true&connect_timeout=9")
    assert read.is_pooled
    assert read.connect_seconds == 9
    argument, _ = read.for_programs()
    assert argument == "postgresql:///db?connect_timeout=9&sslmode=require&host=h&port=5432"
    with pytest.raises(InvalidDatabaseUrl, match="sslpassword"):
        read_database_url("postgresql://h/db?sslpassword=hunter2").for_programs()
