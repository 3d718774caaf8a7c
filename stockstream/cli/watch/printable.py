"""Text of others, made fit for a terminal."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """`text` in which nothing steers a terminal or turns the direction of what follows.

    Control characters, escape sequences' begin, line ends and marks of direction are replaced.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else REPLACEMENT for character in text)
