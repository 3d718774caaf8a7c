"""Who uses a command that changes accounts, for the audit."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from stockstream.users.operator_audit import Author

if TYPE_CHECKING:
    from stockstream.config import Settings


def command_author(settings: Settings) -> Author:
    """The user of this machine that runs the command. It has the database's password, so no
    account is asked for.
    """
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = f"uid {os.getuid()}"
    return Author(name, None, "command", "", settings.node)
