"""What the wiring sees to before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.application import Addresses, build
from stockstream.config import Settings
from stockstream.names import known
from stockstream.users.passwords import common_passwords

if TYPE_CHECKING:
    from pathlib import Path


def test_files_of_the_program_are_read_before_it_runs(clean: Path) -> None:
    """They may be another release's, or gone, when a client first asks for something of them."""
    known.cache_clear()
    common_passwords.cache_clear()
    build(Settings(data_directory=clean), Addresses((), None), [])
    assert known.cache_info().currsize == 1
    assert common_passwords.cache_info().currsize == 1
