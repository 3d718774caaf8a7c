"""Limits are checked where they are set."""

import dataclasses

import pytest

from web.server import ServerConfig


@pytest.mark.parametrize(
    "name", [field.name for field in dataclasses.fields(ServerConfig) if field.name != "tls"]
)
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_that_is_not_positive_is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be greater than 0, not {value}$"):
        ServerConfig(**{name: value})


def test_the_defaults_are_those_of_the_protocol() -> None:
    config = ServerConfig()
    assert config.max_message_size == 64 * 1024
    assert config.close_timeout == 5
