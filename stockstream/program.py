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
_CACHE_OF_UV = "archive-v0"
"""The folder of its environments that belong to no tool and no project."""

_COMMANDS = (
    "serve|cluster|mock|watch|load|tree|actions|drain|providers|contract|chaos|db|jobs|tokens|audit|"
    "users|config|logs|notices|doctor|--help"
)
_COMMAND = re.compile(rf"(?<![\w./-]){NAME}(?= (?:{_COMMANDS})\b(?!:))")


@cache
def program_name() -> str:
    """`stockstream` where it is on PATH, else a path to it: from here, if that is shorter.

    Without an installed script it is `python -m stockstream`; where uv has installed it for this
    run alone, and put it on this run's PATH, `uvx stockstream`.
    """
    found = shutil.which(NAME)
    if found:
        for_this_run = Path(sys.prefix).parent.name == _CACHE_OF_UV
        return f"uvx {NAME}" if for_this_run and found.startswith(sys.prefix) else NAME
    installed = Path(sys.prefix) / "bin" / NAME
    if not installed.exists():
        return f"{Path(sys.executable).name} -m {NAME}"
    return min(os.path.relpath(installed), str(installed), key=len)


def as_typed(text: str) -> str:
    """`text` with each of our commands as it has to be typed here."""
    return _COMMAND.sub(program_name(), text)
