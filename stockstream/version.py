"""Which version of the program this is."""

from __future__ import annotations

from functools import cache


@cache
def program_version() -> str:
    """The installed version; "not installed" for a checkout that never was."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    # PLC0415: 30 ms that a command which does not ask should not pay.
    try:
        return version("stockstream")
    except PackageNotFoundError:
        return "not installed"
