"""The settings themselves: defaults, what each accepts, what may be shown of a value."""

import dataclasses
import os
import re
import string
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from stockstream.config import Settings, public_value
from stockstream.history.retention import RetentionSettings
from stockstream.market.breaker_types import BreakerSettings
from stockstream.market.providers.http import HttpSettings
from stockstream.users.purging import PurgeSettings
from tests.support.selfsigned import server_context

pytestmark = pytest.mark.usefixtures("clean")


def test_the_documented_names_and_defaults():
    """The names and defaults users were promised stay as they are."""
    settings = Settings()
    assert settings.port == 4000
    assert settings.host == "127.0.0.1"
    assert settings.stockstream_env == "development"
    assert settings.flush_interval == 0.05
    assert settings.max_connections == 20_000
    assert settings.max_connections_per_address == 200
    assert settings.max_message_size == 64 * 1024
    assert (settings.message_rate, settings.message_burst) == (50, 100)
    assert settings.max_symbols_per_connection == 1_000
    assert (settings.heartbeat, settings.heartbeat_timeout) == (25, 10)
    assert (settings.fetch_interval, settings.fetch_interval_idle) == (1, 5)
    assert settings.stock_api_url is None
    assert settings.database_url is None
    assert settings.cluster_nats_url is None
    assert settings.chaos_enabled is False
    assert settings.http_verify_tls is True
    assert settings.http_max_body == 5_000_000


def test_the_documented_breaker_defaults():
    """Window 20, minimum 5, failures 50 %, slow over 2 s at 80 %, waits 5 to 60 s, 2 probes."""
    settings = Settings()
    assert settings.breaker_window_type == "count"
    assert (settings.breaker_window, settings.breaker_minimum_calls) == (20, 5)
    assert (settings.breaker_failure_rate, settings.breaker_slow_rate) == (50, 80)
    assert settings.breaker_slow_call == 2
    assert (settings.breaker_wait, settings.breaker_max_wait) == (5, 60)
    assert (settings.breaker_probes, settings.breaker_max_half_open) == (2, 10)


@pytest.mark.parametrize(
    ("prefix", "part", "renamed", "percent"),
    [
        ("breaker_", BreakerSettings(), {}, {"jitter"}),
        ("http_", HttpSettings(), {"total_timeout": "timeout"}, set()),
        ("retain_", RetentionSettings(), {}, set()),
        ("retain_", PurgeSettings(), {}, set()),
    ],
)
def test_the_defaults_are_those_of_the_parts_they_configure(
    prefix: str, part: object, renamed: dict[str, str], percent: set[str]
):
    """The table shows what a part does on its own, and leaves out nothing that is a number."""
    settings = Settings()
    numbers = {
        field.name: value
        for field in dataclasses.fields(part)
        if isinstance(value := getattr(part, field.name), int | float | str)
    }
    assert numbers
    for name, value in numbers.items():
        shown = getattr(settings, prefix + renamed.get(name, name))
        assert shown == (value * 100 if name in percent else value), name


def test_every_setting_is_explained_in_one_sentence():
    """The generated table has something to say about each."""
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert "|" not in field.description, f"{name}: would break the table"


def test_settings_cannot_be_changed():
    """What was read at the start holds until the end."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch):
    """Blanks around the parts and empty parts do not count; each part is brought to its form."""
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://Prices.example.com:443, http://localhost:8000,")
    monkeypatch.setenv(
        "ALLOWED_HOSTS", "Prices.Example., *.shop.example,my_service,bücher.example,*"
    )
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8,::1,::ffff:192.0.2.0/120")
    monkeypatch.setenv("SYMBOLS", "aapl, brk.b")
    settings = Settings()
    assert settings.allowed_origins == ("https://prices.example.com", "http://localhost:8000")
    assert settings.allowed_hosts == (
        "prices.example", "*.shop.example", "my_service", "xn--bcher-kva.example", "*",
    )  # fmt: skip
    assert settings.trusted_proxies == tuple(map(ip_network, ("10.0.0.0/8", "::1", "192.0.2.0/24")))
    assert settings.symbols == ("AAPL", "BRK.B")


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "https://*.example.com",
        "example.com",
        "https://example.com/",
        "https://u@example.com",
        "ws://example.com",
        "https://example.com:99999",
    ],
)
def test_what_is_no_origin_is_refused(origin: str):
    """A wildcard, a path or a missing scheme would never equal an Origin header."""
    with pytest.raises(ValidationError):
        Settings(allowed_origins=(origin,))


@pytest.mark.parametrize(
    "host",
    [
        "http://prices.example", "prices.example:443", "prices.example/", "*example", "a.*.example",
        "*.", ".example", "a..b", "-a.example", "a b", "[::1]", "x" * 64, "x." * 128, "bü cher",
    ],
)  # fmt: skip
def test_what_is_no_host_name_is_refused(host: str):
    """It would never equal a Host header, and nobody would know why."""
    with pytest.raises(ValidationError, match="is no host name"):
        Settings(allowed_hosts=(host,))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", 65536),
        ("port", -1),
        ("max_connections", 0),
        ("flush_interval", -0.1),
        ("fetch_interval", float("inf")),
        ("fetch_interval", 0),
        ("breaker_failure_rate", 101),
        ("breaker_window", 0),
        ("drain_timeout", 7.5),
        ("trusted_proxies", ("10.0.0.1/8",)),
        ("symbols", ("!!",)),
        ("stock_api_url", "ftp://example.com"),
        ("stock_api_url", "http://"),
        ("database_url", "mysql://localhost/x"),
        ("database_url", "postgresql://localhost:notaport/x"),
        ("cluster_nats_url", "nats://a:4222,http://b"),
        ("secret_key_base", "x" * 31),
        ("admin_token", "x" * 15),
        ("retain_ticks", 367),
        ("retain_candles", 732),
        ("retain_alerts", 0.5),
        ("retain_deleted", 0),
        ("retain_audit", -1),
        ("log_level", "loud"),
    ],
)
def test_a_value_out_of_bounds_is_refused(field: str, value: object):
    """Each bound stands where it is documented, and the error names the variable."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({field: value})
    assert [str(error["loc"][0]).upper() for error in caught.value.errors()] == [field.upper()]


def test_the_slow_interval_is_not_below_the_fast_one():
    """Fetching more often with nobody there is a mistake, told by the variable's name."""
    with pytest.raises(ValidationError, match=r"must not be below FETCH_INTERVAL \(1\)"):
        Settings(fetch_interval_idle=0.5)
    with pytest.raises(ValidationError, match=r"must not be below BREAKER_WAIT \(90\)"):
        Settings(breaker_wait=90)


def test_a_simulated_market_needs_no_host():
    """`sim://` with parameters is a price source, and is kept as it was written."""
    assert Settings(stock_api_url="sim://?symbols=1000").stock_api_url == "sim://?symbols=1000"
    assert Settings(stock_api_url="sim://").stock_api_url == "sim://"
    assert Settings(stock_api_url="http://prices:80/v2/").stock_api_url == "http://prices:80/v2"


def test_production_requires_both_secrets():
    """A generated key would be another on the next node or after the next start."""
    with pytest.raises(ValidationError, match="SECRET_KEY_BASE and ADMIN_TOKEN: required"):
        Settings(stockstream_env="production")
    settings = Settings(
        stockstream_env="production",
        secret_key_base=SecretStr("k" * 32),
        admin_token=SecretStr("t" * 16),
    )
    assert settings.production


_WORD = st.text(string.ascii_letters + string.digits, min_size=12, max_size=20)


@given(user=_WORD, password=_WORD, key=_WORD)
def test_no_password_is_ever_shown(user: str, password: str, key: str):
    """Neither the shown value nor repr() of the settings has a password, a key or a token."""
    settings = Settings(
        stock_api_url=f"https://{user}:{password}@prices.example.com/?symbol=A&apikey={key}",
        database_url=SecretStr(f"postgresql://{user}:{password}@db.example.com/prices"),
        cluster_nats_url=SecretStr(f"nats://{user}:{password}@a:4222,nats://{password}@b:4222"),
        secret_key_base=SecretStr(key * 3),
        admin_token=SecretStr(password * 2),
    )
    shown = " ".join(str(public_value(getattr(settings, name))) for name in Settings.model_fields)
    for text in (shown, repr(settings), str(settings)):
        assert password not in text
        assert key not in text
    assert "db.example.com/prices" in shown
    assert "prices.example.com/?symbol=********&apikey=" in shown


def test_shown_values_are_plain():
    """JSON can carry them as they are."""
    assert public_value(Path("a/b")) == "a/b"
    assert public_value((ip_network("::1"), "x")) == ["::1/128", "x"]
    assert public_value(None) is None
    assert public_value(True) is True
    assert public_value(0.5) == 0.5


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("", ""),
        ("/", ""),
        ("/stocks", "/stocks"),
        ("/stocks/", "/stocks"),
        ("/a/b-2.x", "/a/b-2.x"),
    ],
)
def test_a_base_path_is_read_with_and_without_its_last_slash(text: str, base: str):
    """And the root is none."""
    assert Settings(base_path=text).base_path == base


@pytest.mark.parametrize(
    "text", ["stocks", "//x", "/a//b", "/a b", "/..", "/a/../b", "/a?b", "/é", "https://x/stocks"]
)
def test_a_base_path_that_is_none_is_refused(text: str):
    """Before it stands in a page or a cookie."""
    with pytest.raises(ValidationError, match="is no path as /stocks"):
        Settings(base_path=text)


@pytest.mark.parametrize("text", ["/api", "/s/stocks", "/static/"])
def test_a_base_path_that_begins_as_an_address_of_the_server_is_refused(text: str):
    """Where a proxy takes it off, nobody could tell them apart."""
    with pytest.raises(ValidationError, match="the server's own /"):
        Settings(base_path=text)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"CLUSTER_NATS_URL": "ws://a"}, "server 1 must begin with nats:// or tls://"),
        ({"CLUSTER_NATS_URL": "nats://a, "}, "server 2 must begin with nats:// or tls://"),
        ({"CLUSTER_NATS_URL": "nats://a,nats://:4222"}, "server 2 has no host"),
        ({"CLUSTER_NATS_URL": "nats://a:4222/prices"}, "server 1 has more than a server"),
        ({"CLUSTER_NATS_URL": "nats://a:x"}, "server 1 "),
        ({"CLUSTER_NAME": "a.b"}, "'a.b' is no name of a cluster"),
        ({"CLUSTER_NAME": "*"}, "'*' is no name of a cluster"),
        ({"FETCH_SHARDS": "0"}, "greater than or equal to 1"),
        ({"FETCH_SHARDS": "65"}, "less than or equal to 64"),
        ({"PUBLIC_URL": "prices.example"}, "must begin with http:// or https://"),
        ({"PUBLIC_URL": "https://a/?b"}, "has more than a place"),
        ({"CLUSTER_NATS_CA": ""}, "without CLUSTER_NATS_URL"),
    ],
)
def test_a_setting_of_a_cluster_that_cannot_be_is_refused(
    given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Each with what is wrong; of several servers, which one."""
    if "CLUSTER_NATS_CA" in given:
        server_context(tmp_path)
        given = {"CLUSTER_NATS_CA": str(tmp_path / "server.pem")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=re.escape(said)):
        Settings()


@pytest.mark.parametrize("name", ["CLUSTER_NATS_CA", "CLUSTER_NATS_CREDENTIALS"])
def test_a_file_for_nats_is_read_before_anything_starts(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """A file that is not there, or holds something else, is named with what is wrong."""
    monkeypatch.setenv("CLUSTER_NATS_URL", "tls://a")
    monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(ValidationError, match="none': No such file"):
        Settings()
    (tmp_path / "none").write_text("something else")
    with pytest.raises(ValidationError, match="none': holds no "):
        Settings()
    (tmp_path / "none").unlink()
    os.mkfifo(tmp_path / "none")  # whoever opens it waits for who writes
    with pytest.raises(ValidationError, match="none': it is no file"):
        Settings()


def test_a_node_of_a_cluster_has_a_name_that_nats_can_carry(monkeypatch: pytest.MonkeyPatch):
    """A single node may have any name; a host's full name will do."""
    monkeypatch.setenv("NODE_NAME", "first *")
    assert Settings().node == "first *"
    monkeypatch.setenv("CLUSTER_NATS_URL", "nats://a")
    with pytest.raises(ValidationError, match=re.escape("NODE_NAME: 'first *' cannot name")):
        Settings()
    monkeypatch.setenv("NODE_NAME", "first.rack-2.example")
    assert Settings().node == "first.rack-2.example"
