"""Settings of a login by an identity provider: whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stockstream import part_settings
from stockstream.environment import load
from stockstream.errors import ConfigurationError
from stockstream.proxies import InvalidProxy
from stockstream.users.oidc.roles import RoleRules
from stockstream.users.roles import Role

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = {
    "OIDC_ISSUER": "https://id.example/realms/main",
    "OIDC_CLIENT_ID": "stockstream",
    "OIDC_CLIENT_SECRET": "hunter2",
}


@pytest.fixture
def given(clean: Path, monkeypatch: pytest.MonkeyPatch):
    def set_all(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_all


def test_without_any_there_is_no_such_login(given):
    assert part_settings.oidc(load().settings) is None


def test_three_settings_are_enough(given):
    given(**WHOLE)
    settings = load().settings
    found = part_settings.oidc(settings)
    assert found is not None
    assert (found.issuer, found.name, found.scopes) == (
        WHOLE["OIDC_ISSUER"],
        "id.example",
        "openid profile",
    )
    assert found.rules == RoleRules()
    assert "hunter2" not in repr(settings)


def test_rules_for_roles(given):
    given(
        **WHOLE,
        OIDC_ROLES="sre=operator, leads=admin",
        OIDC_ROLE_CLAIM="realm_access.roles",
        OIDC_WITHOUT_ROLE="refuse",
        OIDC_NAME="Example",
        OIDC_SCOPES="profile  openid groups",
    )
    found = part_settings.oidc(load().settings)
    assert found is not None
    assert (found.name, found.scopes) == ("Example", "profile openid groups")
    assert [(rule.value, rule.role) for rule in found.rules.roles] == [
        ("sre", Role.OPERATOR),
        ("leads", Role.ADMIN),
    ]
    assert (found.rules.claim, found.rules.refuse) == ("realm_access.roles", True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"OIDC_CLIENT_SECRET": ""}, "OIDC_CLIENT_SECRET: required with OIDC_CLIENT_ID"),
        (
            {"OIDC_ISSUER": "", "OIDC_CLIENT_ID": ""},
            "OIDC_ISSUER and OIDC_CLIENT_ID: required with OIDC_CLIENT_SECRET",
        ),
        (
            dict.fromkeys(WHOLE, "") | {"OIDC_NAME": "Example"},
            "OIDC_ISSUER and OIDC_CLIENT_ID and OIDC_CLIENT_SECRET: required with OIDC_NAME",
        ),
        ({"OIDC_ISSUER": "http://id.example"}, "must be https:"),
        ({"OIDC_ISSUER": "https://id.example?a=b"}, "must hold no ?"),
        ({"OIDC_ISSUER": "https://a..b"}, "no host"),
        ({"OIDC_ISSUER": "id.example"}, "must be as https://host"),
        ({"OIDC_SCOPES": "profile"}, "does not name `openid`"),
        ({"OIDC_ROLES": "sre=boss"}, "there is no role 'boss'"),
        ({"OIDC_WITHOUT_ROLE": "refuse"}, "of no use without OIDC_ROLES"),
        ({"OIDC_ROLE_CLAIM": "roles"}, "of no use without OIDC_ROLES"),
    ],
)
def test_what_is_missing_or_wrong_is_named(given, values, said):
    given(**{**WHOLE, **values})
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_proxy_that_cannot_be_used_ends_the_start(given):
    given(**WHOLE, HTTPS_PROXY="socks5://proxy.example")
    with pytest.raises(InvalidProxy, match="HTTPS_PROXY"):
        part_settings.oidc(load().settings)
