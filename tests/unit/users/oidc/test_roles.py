"""From claims to roles, as providers send them."""

from __future__ import annotations

import pytest

from stockstream.users.oidc.roles import NoRole, RoleRules, name_of, read_roles, values_of
from stockstream.users.roles import Role

ROLES = read_roles("sre=operator, leads=admin, breakers=chaos")


@pytest.mark.parametrize(
    ("path", "claims", "values"),
    [
        ("groups", {"groups": ["a", "b"]}, ("a", "b")),
        ("groups", {"groups": "a b"}, ("a b",)),
        ("groups", {"groups": ["a", 7, None, ["b"]]}, ("a",)),
        ("groups", {"groups": {"a": True}}, ()),
        ("groups", {}, ()),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, ("a",)),
        ("realm_access.roles", {"realm_access": ["a"]}, ()),
        (
            "resource_access.app.example.roles",
            {"resource_access": {"app.example": {"roles": ["a"]}}},
            ("a",),
        ),
        ("https://prices.example/roles", {"https://prices.example/roles": ["a"]}, ("a",)),
        ("cognito:groups", {"cognito:groups": ["a"]}, ("a",)),
        ("a.b", {"a.b": ["whole"], "a": {"b": ["inside"]}}, ("whole",)),
        (".", {"": {"": ["a"]}}, ()),
    ],
)
def test_a_claim_is_found_by_its_path(path, claims, values):
    assert values_of(claims, path) == values


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["sre"], Role.OPERATOR),
        (["sre", "leads", "breakers"], Role.ADMIN),
        (["breakers", "sre"], Role.CHAOS),
        (["SRE", "sre ", "leads2"], Role.VIEWER),
        ([], Role.VIEWER),
    ],
)
def test_the_highest_role_counts_and_values_match_to_the_letter(groups, role):
    assert RoleRules(roles=ROLES).role({"groups": groups}) is role


def test_who_has_no_role_is_refused_where_that_is_set():
    rules = RoleRules(roles=ROLES, refuse=True)
    assert rules.role({"groups": ["sre"]}) is Role.OPERATOR
    with pytest.raises(NoRole, match="'groups'"):
        rules.role({"groups": ["others"]})


def test_without_rules_the_provider_has_no_say():
    assert RoleRules().role({"groups": ["leads"], "role": "admin"}) is None


@pytest.mark.parametrize(
    "claims",
    [{"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}}, {"hasgroups": True}],
)
def test_groups_that_were_left_out_are_not_the_same_as_none(claims):
    with pytest.raises(NoRole, match="left the claim"):
        RoleRules(roles=ROLES).role(claims)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("sre", "value=role"),
        ("=admin", "value=role"),
        ("sre=root", "no role 'root'; there are viewer, operator, chaos, admin"),
        ("a=viewer, a=admin", "two roles"),
        (" , ", "no value=role"),
    ],
)
def test_rules_that_are_none_are_named(text, wrong):
    with pytest.raises(ValueError, match=wrong):
        read_roles(text)


def test_a_value_may_hold_an_equals_sign():
    (rule,) = read_roles("cn=sre=operator")
    assert (rule.value, rule.role, str(rule)) == ("cn=sre", Role.OPERATOR, "cn=sre=operator")


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "ann", "email": "a@b.example", "name": "Ann B"}, "ann"),
        ({"email": "a@b.example", "name": "Ann B"}, "a@b.example"),
        ({"preferred_username": "\u202e \n", "name": "Ann\u202e\x00 B"}, "Ann B"),
        ({"preferred_username": ["ann"], "name": 7}, "u-1"),
        ({"name": "x" * 1000}, "x" * 64),
    ],
)
def test_a_person_is_called_by_what_can_be_shown(claims, name):
    assert name_of(claims, "u-1", 64) == name
