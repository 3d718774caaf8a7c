"""Why a backup was not made, not found, or not restored."""


class BackupFailed(Exception):
    """The text says why, to an operator, and names the setting or the file."""
