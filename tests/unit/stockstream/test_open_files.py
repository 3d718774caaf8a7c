"""How many clients there may be, by the limit of open files."""

import resource
import subprocess
import sys

import pytest

from stockstream.open_files import most_clients, raise_limit


@pytest.mark.proves("D15")
@pytest.mark.parametrize(
    ("wanted", "limit", "clients"),
    [
        (20_000, None, 20_000),
        (20_000, 1_048_576, 20_000),
        (20_000, 20_000, 18_500),
        (10_000, 20_000, 10_000),
        (20_000, 1_024, 768),
        (100, 1_024, 100),
        (20_000, 1, 1),
    ],
)
def test_there_are_no_more_clients_than_files(wanted: int, limit: int | None, clients: int) -> None:
    """Less what else needs files, which is a part of them where there are few."""
    assert most_clients(wanted, limit) == clients


@pytest.mark.proves("D15")
def test_the_limit_is_raised_as_far_as_allowed() -> None:
    """In a process of its own: the hard limit cannot be had back."""
    code = (
        "import resource\n"
        "from stockstream.open_files import raise_limit\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))\n"
        "print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "300 (300, 300)\n"


def test_a_limit_that_cannot_be_raised_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS does: it refuses what it reports as allowed."""

    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, unlimited))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_limit() == 256
    monkeypatch.setattr(resource, "getrlimit", lambda _: (unlimited, unlimited))
    assert raise_limit() is None
