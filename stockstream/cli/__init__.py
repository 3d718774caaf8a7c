"""The `stockstream` program: one module per command, imported when the command is used.

Exit codes: 0 done, 1 could not start or failed, 2 usage or settings, 130 interrupted.
"""

import errno
import json
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

from cyclopts import App, CycloptsError, Group, UnknownCommandError

from stockstream import garbage
from stockstream.errors import StartError
from stockstream.program import as_typed, program_name
from stockstream.version import program_version

_HELP = """Live stock prices in the browser, served by supervised actors.

Without any setting, `stockstream serve` starts everything: a stub price API on port 1080 and \
the dashboard on http://localhost:4000."""

_EXAMPLES = """Examples:

  stockstream serve
      Start with the bundled stub API.

  STOCK_API_URL='sim://?symbols=1000&interval=0.05' stockstream serve
      Start with a simulated market.

  STOCK_API_URL=https://prices.example.com stockstream serve
      Take the prices from another API.

  PROVIDERS=crypto=kraken:// stockstream serve
      Take real prices, of Bitcoin and others, without an account.

  stockstream watch AAPL MSFT
      Watch prices in this terminal.

  stockstream cluster up --nodes 3
      Start three nodes on this machine, behind one port, and see who fetches what.

  stockstream tree
      Show the supervision tree of the running server.

  stockstream chaos kill market/streamer
      Kill an actor of the running server, and see that it comes back.

  stockstream config
      Show every setting, its value and where it came from.

  stockstream doctor
      See what is wrong here, and what to do about it.
"""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}

_run = Group("Run", sort_key=1)
_inspect = Group("Look inside", sort_key=2)
_options = Group("Options", sort_key=3)

_COMMANDS = (
    ("serve", _run, "Start the server: market, delivery and dashboard."),
    ("cluster", _run, "Run several nodes, and see which of them fetches what."),
    ("mock", _run, "Run the stub price API alone."),
    ("watch", _run, "Watch live prices in this terminal."),
    ("load", _run, "Connect many clients to a server, and report what they got."),
    ("tree", _inspect, "Show the live supervision tree of a running server."),
    ("actions", _inspect, "Fetch now, reconnect the database, restart an actor, drain clients."),
    ("drain", _inspect, "Have the clients of a server go elsewhere, spread over a time."),
    ("providers", _inspect, "See where prices come from, and try a provider."),
    ("contract", _inspect, "See whether a price API keeps the format that is read."),
    ("chaos", _inspect, "Break a running server on purpose, and see that it holds."),
    ("db", _inspect, "Look after the database: schema, export, import, backup, retention."),
    ("jobs", _inspect, "See what runs on a schedule, and run it now."),
    ("tokens", _inspect, "Make, list and revoke API tokens."),
    ("audit", _inspect, "See who did what to the server and to accounts."),
    ("users", _inspect, "Look after accounts: who may log in, and who has."),
    ("config", _inspect, "Show every setting with its value and source."),
    ("logs", _inspect, "See, and change for a while, what a running server logs."),
    ("notices", _inspect, "Try whether notices for operators arrive, and check who sent them."),
    ("doctor", _inspect, "Look at all that a server needs, and say what to do."),
)
NAMES = tuple(name for name, _, _ in _COMMANDS)
"""All commands, in the order of the help."""


def build(chosen: str = "") -> App:
    """Return the program for a command line that begins with `chosen`.

    Commands are import paths, so that only the chosen one is imported: `--help` needs none. What
    is said here about the chosen command gives way to its own docstring.
    """
    app = App(
        name=program_name(),
        help=_HELP,
        help_format="markdown" if chosen in NAMES else "plaintext",
        help_epilogue=None if chosen in NAMES else as_typed(_EXAMPLES),
        version=_version,
        backend="trio",
        print_error=False,
        exit_on_error=False,
    )
    for name, group, text in _COMMANDS:
        help_text = None if name == chosen else text
        app.command(f"stockstream.cli.{name}:{name}", name=name, help=help_text, group=group)
    app["--help"].group = app["--version"].group = _options
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code; without arguments, those of the process."""
    tokens = sys.argv[1:] if arguments is None else list(arguments)
    garbage.begin()
    try:
        try:
            app = build(tokens[0] if tokens else "")
            _name_commands_as_typed(app, tokens)
            app(tokens)
        finally:
            sys.stdout.flush()  # now, while a write error can still be reported
    except CycloptsError as error:
        command = " ".join((program_name(), *(error.command_chain or ())))
        _fail(tokens, f"{_usage_error(error)}\nTry `{command} --help`.", 2)
    except StartError as error:
        _fail(tokens, as_typed(str(error)), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _let_go_of_output()  # its reader (head, less) is gone
        sys.exit(1)
    except OSError as error:
        # What was opened by name has it in the error.
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        _let_go_of_output()
        _fail([], f"standard output: {error.strerror}", 1)


def _name_commands_as_typed(app: App, tokens: Sequence[str]) -> None:
    """In the help that will be shown. The docstrings cannot know how the program is called here.

    A group of commands alone, such as `db`, is a question for help too.
    """
    if len(tokens) < 2 or "--help" in tokens or "-h" in tokens:
        _, chain, _ = app.parse_commands(tokens)
        for part in chain:
            part.help = as_typed(part.help)


def _let_go_of_output() -> None:
    """Redirect the buffered rest: the interpreter flushes it at exit, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(tokens: Sequence[str], text: str, code: int) -> NoReturn:
    """End with one line for people; for programs that asked for JSON, with JSON."""
    if "--json" in tokens:
        document = {"schema_version": 1, "exit_code": code, "error": text}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        sys.stderr.write(f"stockstream: {text}\n")
    sys.exit(code)


def _usage_error(error: CycloptsError) -> str:
    if not isinstance(error, UnknownCommandError) or not error.unused_tokens:
        return str(error)
    if error.command_chain:
        verbs = [name for name in error.app or () if not name.startswith("-")]
        return _unknown(error.unused_tokens[0], verbs)
    # Its own text would import every command to look for sub-commands.
    return _unknown(error.unused_tokens[0], NAMES)


def _unknown(given: str, known: Sequence[str]) -> str:
    if given.startswith("-"):
        return f"Unknown option: {given}."
    close = get_close_matches(given, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else "See the list of commands."
    return f"Unknown command: {given}. {hint}"


def _version() -> str:
    return f"stockstream {program_version()}"
