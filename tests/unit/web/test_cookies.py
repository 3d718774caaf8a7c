"""How cookies are read, and what ours are called."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import Headers

from tests.support.users import ODD_NEIGHBOURS
from web.cookies import HOST_ONLY, Instance, NamedCookie, read_cookies
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
    cookie = NamedCookie("kind", [b"key"], instance)
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


OLD_NAME = f"stockstream_user_{ID}_dc1229"
OLD_USER = "dGhlIG9sZCB1c2VyIGlk"
OLD_VALUE = f"{OLD_USER}.d77a8e422712d6e47002f73f091cf99db8cc144b110f9355e3dfa6636d16633d"
"""As the version made them that signed in hexadecimal, with `SECRET` and for `ID`."""
NEW_SECRET = "the secret that replaces it, which is as long"


def test_a_cookie_of_the_version_before_is_still_its_users() -> None:
    """So nobody loses their lists; the next page gives one signed anew, beside it."""
    users = BrowserUsers(SECRET, Instance(ID))
    sent = read_cookies(cookies(f"{OLD_NAME}={OLD_VALUE}"))
    assert users.user_of(sent) == OLD_USER
    anew = users.cookie_for(sent)
    assert anew != OLD_VALUE
    assert users.user(anew) == OLD_USER
    for wrong in (f"{OLD_USER}x{OLD_VALUE[20:]}", f"{OLD_VALUE[:-1]}0", OLD_VALUE.upper()):
        assert users.user(wrong) is None


def test_the_version_before_keeps_its_cookie() -> None:
    """It gives a new user in the place of what it cannot read: as a node that is updated later, and
    after a roll-back. So no page of now puts another value there, whatever key it has.
    """
    after = BrowserUsers(NEW_SECRET, Instance(ID), previous=SECRET)
    for users in (BrowserUsers(SECRET, Instance(ID)), after):
        sent = read_cookies(cookies(f"{OLD_NAME}={OLD_VALUE}"))
        name, value = users.cookie_name, users.cookie_for(sent)
        assert name != OLD_NAME
        both = read_cookies(cookies(f"{OLD_NAME}={OLD_USER}2{OLD_VALUE[20:]}; {name}={value}"))
        assert users.user_of(both) == OLD_USER
        both = read_cookies(cookies(f"{OLD_NAME}={OLD_VALUE}; {name}={users.new()}"))
        assert users.user_of(both) == users.user(both[name]), "the name of now counts first"


def test_a_cookie_of_the_key_before_is_read_and_signed_anew() -> None:
    """Of either way to sign, and of each of its names; without that key it is nobody's."""
    before = BrowserUsers(SECRET, Instance(ID))
    both = BrowserUsers(NEW_SECRET, Instance(ID), previous=SECRET)
    after = BrowserUsers(NEW_SECRET, Instance(ID))
    assert after.cookie_name == both.cookie_name != before.cookie_name
    value = before.cookie_for(read_cookies(cookies(f"{OLD_NAME}={OLD_VALUE}")))
    for old in (OLD_VALUE, value):
        sent = read_cookies(cookies(f"{OLD_NAME}={old}"))
        assert both.user_of(sent) == OLD_USER
        anew = read_cookies(cookies(f"{both.cookie_name}={both.cookie_for(sent)}"))
        assert (after.user_of(anew), after.user_of(sent)) == (OLD_USER, None)
        assert before.user_of(anew) is None
    somebody = both.new()
    sent = read_cookies(cookies(f"{OLD_NAME}={value}; {both.cookie_name}={somebody}"))
    assert both.user_of(sent) == both.user(somebody), "who has both has changed already"


def test_a_key_before_has_its_names_until_an_instance_is_told_its_id() -> None:
    """A node that starts without its disk, in the middle of a replacement."""
    instance = Instance(OTHER_ID)
    users = BrowserUsers(NEW_SECRET, instance, previous=SECRET)
    sent = read_cookies(cookies(f"{OLD_NAME}={OLD_VALUE}"))
    assert users.user_of(sent) == OLD_USER
    instance.become(OTHER_ID)
    assert users.user_of(sent) is None


def test_a_cookie_that_this_host_alone_can_set_counts_before_others() -> None:
    """What a neighbouring name, or somebody on the way, has set beside it is not looked at."""
    users = BrowserUsers(SECRET, Instance(ID))
    mine, planted = users.new(), users.new()
    name, plain = users.name_for(host_only=True), users.name_for(host_only=False)
    assert name == f"__Host-{plain}" == f"{HOST_ONLY}{plain}"
    sent = read_cookies(cookies(f"{plain}={planted}; {name}={mine}"))
    assert users.user_of(sent) == users.user(mine)
    assert users.user_of(read_cookies(cookies(f"{plain}={planted}"))) == users.user(planted)
    assert users.user_of(read_cookies(cookies(f"{name}=x.y"))) is None


def test_a_value_has_one_form() -> None:
    """Of the last character not all bits count, and an equal value by other letters is none."""
    users = BrowserUsers(SECRET, Instance(ID))
    value = users.new()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = [letter for letter in letters if users.user(value[:-1] + letter) is not None]
    assert good == [value[-1]]
    assert users.user(f"{value}=") is None


def test_what_one_kind_has_signed_is_no_value_of_another() -> None:
    """A browser's user is no operator's session, whoever names it so."""
    admin = AdminAccess("token", SECRET, Instance(ID))
    _, session = admin.log_in()
    assert BrowserUsers(SECRET, Instance(ID)).user(session) is None
    assert admin.login_of(BrowserUsers(SECRET, Instance(ID)).new()) is None
