"""A wall clock that a test sets while a program runs, by libfaketime; the monotonic one goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDERS = (*Path("/usr/lib").glob("*/faketime"), Path("/usr/lib/faketime"))
LIBRARY = "libfaketimeMT.so.1"


class HostClock:
    """The wall clock of a program, and of those it starts, that is given `environment`."""

    def __init__(self, folder: Path) -> None:
        found = [each for each in FOLDERS if (each / LIBRARY).exists()]
        if not found:
            pytest.skip("libfaketime is not installed (scripts/faketime does where it can)")
        self._file = folder / "wall-clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(found[0] / LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead: float) -> None:
        """Set it so many seconds ahead of this machine's clock; behind it if below 0."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead:+}\n")
        os.replace(new, self._file)  # noqa: PTH105 - at once, for those who read it all the time
