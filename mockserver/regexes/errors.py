"""What can be wrong with a regular expression."""


class RegexError(ValueError):
    """The expression is wrong, in Java too."""


class UnsupportedRegexError(ValueError):
    """Java takes the expression, or may do so; this server does not."""
