"""The program: `python -m stockstream` and `stockstream` are the same."""

import sys

from stockstream import hangups

_SERVERS = (["serve"], ["cluster", "up"])


def main() -> None:
    """Run the command that was typed."""
    if any(sys.argv[1 : 1 + len(words)] == words for words in _SERVERS):
        # Before all that takes time: SIGHUP ends a process that has said nothing about it.
        hangups.begin()
    from stockstream.cli import main as run  # noqa: PLC0415 - as just said

    run()


if __name__ == "__main__":
    main()
