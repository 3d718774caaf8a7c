"""What routes of a user's rows may be answered with instead, for their documentation."""

from __future__ import annotations

from web.api.bodies import BadJsonError, InvalidFieldError, NotJsonError
from web.api.rows import NoSuchRowError, RowConflictError
from web.asking import DATABASE_ERRORS
from web.users.access import ForeignPageError, NoUserError, TooManyChangesError

_BODY = (BadJsonError, NotJsonError, InvalidFieldError)

READ_ERRORS = (NoUserError, *DATABASE_ERRORS)
ONE_ERRORS = (*READ_ERRORS, NoSuchRowError)
SEEN_ERRORS = (*READ_ERRORS, ForeignPageError, TooManyChangesError, *_BODY)
NEW_ERRORS = (*SEEN_ERRORS, RowConflictError)
MOVE_ERRORS = (*ONE_ERRORS, ForeignPageError, TooManyChangesError, RowConflictError)
CHANGE_ERRORS = (*MOVE_ERRORS, *_BODY)
