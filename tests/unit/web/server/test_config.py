"""Limits are checked where they are set."""

import dataclasses

import pytest

from web.server import ServerConfig


@pytest.mark.parametrize(
    "name",
    [
        field.name
        for field in dataclasses.fields(ServerConfig)
        if isinstance(field.default, int | float) and field.name != "local_reserve"
    ],
)
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_that_is_not_positive_is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be greater than 0, not {value}$"):
        ServerConfig(**{name: value})


def test_a_reserve_may_be_nothing() -> None:
    assert ServerConfig(local_reserve=0).local_reserve == 0
    with pytest.raises(ValueError, match=r"^local_reserve must not be below 0, not -1$"):
        ServerConfig(local_reserve=-1)


def test_the_defaults_are_those_of_the_protocol() -> None:
    config = ServerConfig()
    assert config.max_message_size == 64 * 1024
    assert config.close_timeout == 5
