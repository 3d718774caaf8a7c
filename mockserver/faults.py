"""The ways in which WireMock can break a connection instead of answering."""

from enum import Enum

from mockserver.problems import Reader


class Fault(Enum):
    """What happens on the wire; the values are WireMock's names."""

    EMPTY_RESPONSE = "EMPTY_RESPONSE"
    MALFORMED_RESPONSE_CHUNK = "MALFORMED_RESPONSE_CHUNK"
    RANDOM_DATA_THEN_CLOSE = "RANDOM_DATA_THEN_CLOSE"
    CONNECTION_RESET_BY_PEER = "CONNECTION_RESET_BY_PEER"


def read_fault(field: Reader) -> Fault:
    """The fault that `field` names. Raises `FieldError`."""
    try:
        return Fault(field.text())
    except ValueError as error:
        names = ", ".join(fault.value for fault in Fault)
        raise field.fail(f"{field.text()!r} is none of {names}") from error
