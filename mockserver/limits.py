"""The one error for work that would not end soon.

Stubs come from files and over the admin API, and requests from anybody; both are worked on in the
event loop. So every loop over them has a limit, and passing it is an answer, not a hang.
"""


class TooMuchWork(Exception):
    """An expression of a stub needs more time or steps for this request than it may take."""
