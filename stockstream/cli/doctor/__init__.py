"""`stockstream doctor`: looks at all that a server needs, and says what to do."""

from stockstream.cli.doctor.command import doctor

__all__ = ["doctor"]
