"""How cookies are read, and what ours are called."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import Headers

from tests.support.users import ODD_NEIGHBOURS
from web.cookies import Instance, NamedCookie, read_cookies
from web.users.break_glass import AdminAccess
from web.users.browser_users import BrowserUsers

ID, OTHER_ID = "a1b2c3d4e5f6", "000000000001"
SECRET = "the secret of this test, of the right length"


def cookies(*headers: str) -> Headers:
    return Headers([("Cookie", header) for header in headers])


@pytest.mark.parametrize("neighbour", ODD_NEIGHBOURS)
@pytest.mark.parametrize("pattern", ["{0}; {1}", "{1}; {0}", "{0};{1};{0}"])
def test_the_cookie_of_another_application_does_not_hide_ours(neighbour: str, pattern: str) -> None:
    """Whatever its value is made of, before ours or after it."""
    users = BrowserUsers(SECRET, Instance(ID))
    value = users.new()
    ours = f"{users.cookie_name}={value}"
    found = read_cookies(cookies(pattern.format(neighbour, ours)))
    assert users.user_of(found) == users.user(value)


def test_several_headers_are_one_list() -> None:
    """A proxy may split them (RFC 9113, 8.2.3)."""
    assert read_cookies(cookies("a=1", "b=2; a=3")).getlist("a") == ["1", "3"]
    assert not read_cookies(Headers())


def test_of_two_with_our_name_the_one_that_we_signed_counts() -> None:
    """A neighbour's domain may set one of any value."""
    users = BrowserUsers(SECRET, Instance(ID))
    value, name = users.new(), users.cookie_name
    found = read_cookies(cookies(f"{name}=x.y; {name}={value}; {name}={users.new()}"))
    assert users.user_of(found) == users.user(value)
    assert users.cookie_for(found) == value
    assert users.user_of(read_cookies(cookies(f"{name}=x.y"))) is None


def test_a_name_is_of_an_instance_and_a_key() -> None:
    """Another database or another secret has another name, and so has the other kind of cookie."""
    names = {
        BrowserUsers(secret, Instance(instance)).cookie_name
        for secret in (SECRET, SECRET + "x")
        for instance in (ID, OTHER_ID)
    }
    names.add(AdminAccess("token", SECRET, Instance(ID)).cookie.name)
    assert len(names) == 5
    assert BrowserUsers(SECRET, Instance(ID)).cookie_name in names
    assert all(name.replace("_", "").isalnum() for name in names)


def test_an_instance_that_learns_its_id_still_knows_the_one_it_went_by() -> None:
    """And cookies from before instances had ids; the name of now comes first."""
    instance = Instance(OTHER_ID)
    cookie = NamedCookie("kind", b"key", instance)
    before = cookie.name
    assert instance.become(ID)
    assert cookie.name != before
    sent = cookies(f"kind=old; {before}=proposed; {cookie.name}=now; kind_{OTHER_ID}_000000=alien")
    assert [value for _, value in cookie.found(read_cookies(sent))] == ["now", "proposed", "old"]
    assert not instance.become(ID)
    assert instance.become(OTHER_ID)
    assert instance.ids == (OTHER_ID, ID)


def test_until_an_instance_is_told_its_id_every_user_that_it_signed_is_its_own() -> None:
    """A node that starts without its disk is asked by its clients before the database is there."""
    value = BrowserUsers(SECRET, Instance(ID)).new()
    name = BrowserUsers(SECRET, Instance(ID)).cookie_name
    instance = Instance(OTHER_ID)
    users = BrowserUsers(SECRET, instance)
    sent = read_cookies(cookies(f"{name}={value}"))
    assert users.user_of(sent) == users.user(value)
    assert users.cookie_for(sent) == value
    instance.become(OTHER_ID)
    assert users.user_of(sent) is None, "it is another instance's, which has the same secret"
