"""Errors that end a command with one line for the user, not with a traceback."""


class StartError(Exception):
    """The command cannot start; the text is one line that says why and what to do."""

    exit_code = 1


class ConfigurationError(StartError):
    """A setting is unknown, missing or wrong; the line names it."""

    exit_code = 2


class UsageError(StartError):
    """An argument is not valid; the line names it."""

    exit_code = 2
