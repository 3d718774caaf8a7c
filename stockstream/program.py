"""The name of this program, as it has to be typed here.

`make run` installs it into `.venv`, which is not on PATH: there `stockstream` alone is no command.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

NAME = "stockstream"

_COMMANDS = (
    "serve|cluster|mock|watch|load|tree|contract|providers|chaos|db|tokens|audit|users|config|logs|notices|"
    "doctor|--help"
)
_COMMAND = re.compile(rf"(?<![\w./-]){NAME}(?= (?:{_COMMANDS})\b(?!:))")


@cache
def program_name() -> str:
    """`stockstream` where it is on PATH, else a path to it: from here, if that is shorter.

    Without an installed script it is `python -m stockstream`.
    """
    if shutil.which(NAME):
        return NAME
    installed = Path(sys.prefix) / "bin" / NAME
    if not installed.exists():
        return f"{Path(sys.executable).name} -m {NAME}"
    return min(os.path.relpath(installed), str(installed), key=len)


def as_typed(text: str) -> str:
    """`text` with each of our commands as it has to be typed here."""
    return _COMMAND.sub(program_name(), text)
