"""What a start makes of the environment and `.env`: origins, mistakes, kept secrets."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream import part_settings
from stockstream.cluster.fingerprints import fingerprints
from stockstream.config import SECRETS, Settings
from stockstream.environment import NOT_MADE_YET, load
from stockstream.errors import ConfigurationError
from stockstream.market.providers.chosen import declared_in
from stockstream.upstreams import Upstream


@pytest.fixture
def refused(clean: Path):
    """Load, expect a refusal, and return its one line."""

    def attempt() -> str:
        with pytest.raises(ConfigurationError) as caught:
            load(make_secrets=True)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return attempt


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    clean: Path, monkeypatch: pytest.MonkeyPatch
):
    """Each value says which of the three it came from."""
    (clean / ".env").write_text("PORT=5000\nHOST=0.0.0.0\n")
    monkeypatch.setenv("PORT", "6000")
    configuration = load()
    assert configuration.settings.port == 6000
    assert configuration.sources["port"] == "environment"
    assert configuration.settings.host == "0.0.0.0"
    assert configuration.sources["host"] == ".env"
    assert configuration.sources["flush_interval"] == "default"
    assert set(configuration.sources) == set(Settings.model_fields)


def test_an_empty_variable_counts_as_not_set(clean: Path, monkeypatch: pytest.MonkeyPatch):
    """Compose passes variables on as empty ones; they do not hide the file's value."""
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("DATABASE_URL", "")
    (clean / ".env").write_text("PORT=5000\n")
    configuration = load()
    assert (configuration.settings.port, configuration.sources["port"]) == (5000, ".env")
    assert configuration.sources["database_url"] == "default"


def test_the_variables_of_opentelemetry_are_taken_as_they_are(
    clean: Path, monkeypatch: pytest.MonkeyPatch
):
    """From both places, also those that we know nothing of; an empty one hides nothing."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://here:4318")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "")
    (clean / ".env").write_text(
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://there:4318\nOTEL_SERVICE_NAME=prices\nOTEL_NEW=1\n"
    )
    assert load().otel == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://here:4318",
        "OTEL_SERVICE_NAME": "prices",
        "OTEL_NEW": "1",
    }


def test_secrets_are_generated_once_and_kept_for_the_owner_only(clean: Path):
    """A restart in development keeps both, in files nobody else can read."""
    first, second = load(make_secrets=True), load()
    for name in SECRETS:
        assert first.sources[name] == "generated"
        kept = getattr(first.settings, name).get_secret_value()
        assert len(kept) >= 32
        assert getattr(second.settings, name).get_secret_value() == kept
        file = clean / ".stockstream" / name
        assert file.read_text().strip() == kept
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((clean / ".stockstream").stat().st_mode) == 0o700
    assert sorted(path.name for path in (clean / ".stockstream").iterdir()) == sorted(SECRETS)


def test_a_command_that_only_looks_writes_nothing(clean: Path):
    """Where no server was started there is no secret, and looking makes none."""
    configuration = load()
    assert [configuration.sources[name] for name in SECRETS] == [NOT_MADE_YET] * len(SECRETS)
    assert list(clean.iterdir()) == []


def test_a_given_secret_is_not_generated(clean: Path, monkeypatch: pytest.MonkeyPatch):
    """What is set is used and not written down."""
    monkeypatch.setenv("ADMIN_TOKEN", "t" * 20)
    configuration = load(make_secrets=True)
    assert configuration.settings.admin_token.get_secret_value() == "t" * 20
    assert configuration.sources["admin_token"] == "environment"
    assert not (clean / ".stockstream" / "admin_token").exists()


def test_a_damaged_secret_file_is_named(clean: Path, refused):
    """An empty file is no key; which file to delete is said."""
    (clean / ".stockstream").mkdir()
    (clean / ".stockstream" / "admin_token").write_text("")
    assert refused() == (
        "ADMIN_TOKEN: .stockstream/admin_token holds no secret; delete it for a new one"
    )


def test_a_data_directory_that_cannot_be_made_is_named(clean: Path, refused):
    """The line says which secret, where, and the two ways out."""
    (clean / ".stockstream").write_text("a file is in the way")
    line = refused()
    assert line.startswith("SECRET_KEY_BASE: cannot be generated and kept in .stockstream/")
    assert "DATA_DIRECTORY" in line


def test_production_without_secrets_is_refused_and_writes_nothing(
    clean: Path, monkeypatch: pytest.MonkeyPatch, refused
):
    """Both are named; no file is left behind."""
    monkeypatch.setenv("STOCKSTREAM_ENV", "production")
    assert refused() == "SECRET_KEY_BASE and ADMIN_TOKEN: required when STOCKSTREAM_ENV=production"
    assert list(clean.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "http", "PORT: input should be a valid integer"),
        ("PORT", "http", "got 'http' (environment)"),
        ("FLUSH_INTERVAL", "-1", "FLUSH_INTERVAL: input should be greater than or equal to 0"),
        ("STOCKSTREAM_ENV", "prod", "STOCKSTREAM_ENV: input should be 'development' or 'product"),
        ("CHAOS_ENABLED", "perhaps", "CHAOS_ENABLED: input should be a valid boolean"),
        ("SYMBOLS", "AAPL,!!", "SYMBOLS: invalid symbol '!!'"),
        ("ALLOWED_ORIGINS", "*", "ALLOWED_ORIGINS: '*' is no origin"),
        ("BREAKER_WAIT", "90", "BREAKER_MAX_WAIT: must not be below BREAKER_WAIT (90), got 60"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(
    name: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch, refused
):
    """The line has the variable, what is wrong, what was given and where."""
    monkeypatch.setenv(name, value)
    assert expected in refused()


def test_all_bad_values_are_told_at_once(clean: Path, monkeypatch: pytest.MonkeyPatch, refused):
    """Nobody has to start four times to find four mistakes."""
    monkeypatch.setenv("PORT", "x")
    (clean / ".env").write_text("LOG_FORMAT=xml\n")
    line = refused()
    assert "PORT: " in line
    assert "(environment); LOG_FORMAT: " in line
    assert line.endswith("got 'xml' (.env)")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://user:hunter2@db/prices"),
        ("STOCK_API_URL", "ftp://user:hunter2@prices"),
        ("CLUSTER_NATS_URL", "http://user:hunter2@bus"),
        ("ADMIN_TOKEN", "hunter2"),
    ],
)
def test_a_bad_value_that_may_hold_a_password_is_not_repeated(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, refused
):
    """The line names the variable and not its value."""
    monkeypatch.setenv(name, value)
    line = refused()
    assert line.startswith(f"{name}: ")
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("FLUSH_INTERVALL", "FLUSH_INTERVAL"),
        ("FLUSH_INTERVA", "FLUSH_INTERVAL"),
        ("DATABASE_ULR", "DATABASE_URL"),
        ("MAX_CONNECTION", "MAX_CONNECTIONS"),
        ("STOCKSTREAM_PORT", "PORT"),
        ("STOCKSTREAM_FLUSH_INTERVAL", "FLUSH_INTERVAL"),
        ("flush_interval", "FLUSH_INTERVAL"),
    ],
)
def test_a_misspelt_name_is_refused_with_a_guess(
    name: str, guess: str, monkeypatch: pytest.MonkeyPatch, refused
):
    """A setting that silently does nothing is worse than a start that fails."""
    monkeypatch.setenv(name, "1")
    assert refused() == f"{name}: unknown setting (environment); did you mean {guess}?"


def test_our_prefix_makes_any_unknown_name_ours(monkeypatch: pytest.MonkeyPatch, refused):
    """Without a near name the command that lists them is said."""
    monkeypatch.setenv("STOCKSTREAM_XYZZY", "1")
    assert refused() == (
        "STOCKSTREAM_XYZZY: unknown setting (environment); `stockstream config` lists them all"
    )


def test_an_env_file_that_waits_for_a_writer_is_refused(clean: Path, refused):
    """It would hold the start for ever, and each reading again for its whole time."""
    os.mkfifo(clean / ".env")
    assert refused() == ".env cannot be read: it is a FIFO"


def test_everything_in_the_file_is_ours(clean: Path, refused):
    """A name nobody knows there is refused even when it is like none of ours."""
    (clean / ".env").write_text("# ours\nPORT=5000\nEDITOR=vi\n")
    assert refused().startswith("EDITOR: unknown setting (.env)")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOSTNAME", "box"),
        ("HOSTS", "a b"),
        ("SPORT", "chess"),
        ("LOG_DIR", "/var/log"),
        ("HTTP_PROXY", "http://proxy:3128"),
        ("POSTGRES_PASSWORD", "x"),
        ("STOCKSTREAM_URL", "http://localhost:4000"),
        # What Kubernetes sets beside services named `stockstream` and `stockstream-postgres`.
        ("STOCKSTREAM_SERVICE_HOST", "10.0.0.7"),
        ("STOCKSTREAM_SERVICE_PORT", "4000"),
        ("STOCKSTREAM_SERVICE_PORT_HTTP", "4000"),
        ("STOCKSTREAM_PORT", "tcp://10.0.0.7:4000"),
        ("STOCKSTREAM_PORT_4000_TCP", "tcp://10.0.0.7:4000"),
        ("STOCKSTREAM_PORT_4000_TCP_ADDR", "10.0.0.7"),
        ("STOCKSTREAM_POSTGRES_PORT_5432_TCP_PROTO", "tcp"),
        ("STOCKSTREAM_POSTGRES_PORT", "tcp://10.0.0.8:5432"),
    ],
)
def test_what_belongs_to_others_does_not_stop_a_start(
    name: str, value: str, clean: Path, monkeypatch: pytest.MonkeyPatch
):
    """Variables of the shell, of docker compose and of Kubernetes are not ours."""
    monkeypatch.setenv(name, value)
    load()


def test_the_file_may_hold_what_docker_compose_reads(clean: Path):
    """One `.env` serves compose and a start without it."""
    (clean / ".env").write_text("POSTGRES_PASSWORD=x\nCOMPOSE_PROJECT_NAME=y\nPORT=5000\n")
    assert load().settings.port == 5000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"PORT=5000\nnot a setting\n", ".env line 2: expected NAME=value"),
        (b"HOST='unclosed\n", ".env line 1: expected NAME=value"),
        (b"HOST=\xff\n", ".env cannot be read: "),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(clean: Path, text: bytes, expected: str, refused):
    """Which line of which file."""
    (clean / ".env").write_bytes(text)
    assert refused().startswith(expected)


def test_a_file_that_is_a_directory_is_named(clean: Path, refused):
    """Docker makes one when a bind mount's source is missing."""
    (clean / ".env").mkdir()
    assert refused().startswith(".env cannot be read: ")


@given(
    name=st.sampled_from(sorted(Settings.model_fields)),
    value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
)
def test_any_text_is_accepted_or_refused_by_name(
    name: str, value: str, tmp_path_factory: pytest.TempPathFactory
):
    """Whatever a variable holds, the start goes on or ends in one line that names it."""
    with pytest.MonkeyPatch.context() as patch:
        for other in list(os.environ):
            if other.lower() in Settings.model_fields or other.startswith("STOCKSTREAM_"):
                patch.delenv(other)
        patch.chdir(tmp_path_factory.getbasetemp())
        # Every example in one directory, never in one named by the example.
        if name == "data_directory":
            value = "data"
        patch.setenv(name.upper(), value)
        try:
            load()
        except ConfigurationError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 - success is fine too
            assert name.upper() in str(error)  # noqa: PT017


def test_the_keys_of_providers_come_by_variables_of_their_names(
    clean: Path, monkeypatch: pytest.MonkeyPatch
):
    """From the environment, `.env` or a file; they stand in no listing and in no repr."""
    (clean / "key").write_text("of-a-file\n")
    (clean / ".env").write_text(
        "PROVIDERS=us=kraken://, us-2=kraken://, fx=kraken://\nROUTES=*=us,us-2,fx\n"
        "US_API_KEY=of-env\nUS_2_API_KEY_FILE=key\nUS_API_SECRET_FILE=key\n"
    )
    monkeypatch.setenv("FX_API_KEY", "of-the-environment")
    configuration = load()
    settings = configuration.settings
    keys = {name: key.get_secret_value() for name, key in settings.provider_keys.items()}
    assert keys == {"us": "of-env", "us-2": "of-a-file", "fx": "of-the-environment"}
    (secret,) = settings.provider_secrets.items()
    assert (secret[0], secret[1].get_secret_value()) == ("us", "of-a-file")
    assert "of-" not in repr(configuration)
    assert set(configuration.sources) == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ("PROVIDERS=kraken://", "PROVIDERS: provider 1 is not written as name=scheme"),
        ("PROVIDERS=a=kraken://, b=sim://", "ROUTES: which symbols come from which of a, b"),
        ("PROVIDERS=a=sim://\nROUTES=*=b", "ROUTES: b is none of PROVIDERS"),
        ("ROUTES=*=b", "ROUTES: is of no use without PROVIDERS"),
        ("PROVIDERS=a=sim://\nSTOCK_API_URL=sim://", "STOCK_API_URL: is of no use with PROVIDERS"),
        ("PROVIDERS=a=sim://\nA_API_KEY_FILE=gone", "A_API_KEY_FILE: 'gone' cannot be read"),
        ("PROVIDERS=a=sim://\nA_API_KEY_FILE=/dev/zero", "A_API_KEY_FILE: '/dev/zero' cannot be"),
        ("PROVIDERS=a=sim://\nA_API_KEY=x\nA_API_KEY_FILE=key", "A_API_KEY: is set, and A_API"),
        ("PROVIDERS=a=sim://\nB_API_KEY=x", "B_API_KEY: unknown setting"),
        ("PROVIDERS=a=sim://\nA_API_SECRET_FILE=gone", "A_API_SECRET_FILE: 'gone' cannot be"),
        ("PROVIDERS=a=sim://\nA_API_KEY='a b\nc'", "A_API_KEY: holds what no key does"),
    ],
)
def test_providers_that_cannot_be_meant_stop_the_start(
    clean: Path, refused: Callable[[], str], lines: str, what: str
):
    """In one line that names the part."""
    (clean / ".env").write_text(lines + "\n")
    assert what in refused()


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("tiingo://", "PROVIDERS: us: Tiingo wants a key: set US_API_KEY or US_API_KEY_FILE"),
        ("finnhub://", "PROVIDERS: us: Finnhub wants a key: set US_API_KEY or US_API_KEY_FILE"),
        ("yahoo://", "PROVIDERS: us: a provider yahoo:// is unknown; there are alpaca://, alpaca+"),
        ("kraken://ws.kraken.com", "PROVIDERS: us: write kraken://?url=wss://… for another server"),
        ("alpaca://?feed=all", "PROVIDERS: us: Alpaca wants a key: set US_API_KEY or US_API_KEY_F"),
        ("finnhub://?symbols=0", "PROVIDERS: us: Finnhub wants a key"),
        ("kraken://?symbols=5", "has no option 'symbols', only connections, url"),
        (
            "kraken://?apikey=secret",
            "has no option 'apikey', only connections, url; a key belongs into",
        ),
        ("kraken://?connections=9", "PROVIDERS: us: connections=9 is no number from 1 to 8"),
        ("kraken://?connections=0", "PROVIDERS: us: connections=0 is no number from 1 to 8"),
        ("kraken://?connections=2&connections=4", "PROVIDERS: us: connections is given twice"),
        ("alpaca://?connections=2", "alpaca:// has no option 'connections', only feed"),
        ("kraken://?url=http://x/", "PROVIDERS: us: the url= is no address as wss://"),
        ("kraken://?url=wss://xn--/", "PROVIDERS: us: the url= is no address as wss://"),
        ("kraken://?url=wss://me:secret@x/", "the url= is no address as wss://"),
        ("https://", "PROVIDERS: us: "),
    ],
)
def test_a_provider_that_is_not_there_stops_the_start(address: str, what: str):
    """Its address, options and key are looked at before anything begins; none is repeated."""
    settings = Settings(providers=f"us={address}")
    with pytest.raises(ConfigurationError) as caught:
        part_settings.upstreams(settings, None)
    assert what in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.proves("N4")
def test_a_provider_that_pushes_has_a_shard_for_each_connection_whatever_is_set():
    """One where a key has one; what is polled has as many as are set in a cluster."""
    nats = {"cluster_nats_url": "nats://127.0.0.1:4222", "secret_key_base": "0" * 32}
    upstreams = [
        Upstream("us", "alpaca://", "key", "secret"),
        Upstream("crypto", "kraken://?connections=3"),
        Upstream("px", "https://prices.example.com"),
    ]
    one, cluster = Settings(fetch_shards=8), Settings(fetch_shards=8, **nats)
    assert part_settings.sharding(one, upstreams).counts == {"us": 1, "crypto": 3, "px": 1}
    assert part_settings.sharding(cluster, upstreams).counts == {"us": 1, "crypto": 3, "px": 8}


@pytest.mark.proves("N1")
def test_nodes_compare_what_is_set_and_not_what_comes_with_the_program(clean: Path):
    """Else no node of another version could join: it may know more of a provider, or of files."""
    text = 'url = "https://api.example.com/q?s={symbol}"\n[fields]\nprice = "p"\n'
    Path("prices.toml").write_text(text)
    assert declared_in(Upstream("us", "tiingo://", "key")) == ""
    said = {"url": "https://api.example.com/q?s={symbol}", "fields": {"price": "p"}}
    assert json.loads(declared_in(Upstream("us", "json://prices.toml"))) == said


@pytest.mark.proves("N1")
def test_nodes_compare_the_shards_that_there_are(clean: Path):
    """Versions that have as many of each upstream as is set tell the number alone."""

    def told(providers: str, shards: int) -> str:
        settings = Settings(
            providers=providers,
            fetch_shards=shards,
            cluster_nats_url="nats://127.0.0.1:4222",
            secret_key_base="0" * 32,
        )
        upstreams = part_settings.upstreams(settings, None)
        return part_settings.membership(settings, upstreams, "").fingerprints["FETCH_SHARDS"]

    def number(text: str) -> str:
        return fingerprints("0" * 32, {"FETCH_SHARDS": text})["FETCH_SHARDS"]

    assert told("a=https://one.example", 8) == number("8")
    assert told("a=kraken://", 1) == number("1")
    assert told("a=kraken://", 8) == number("8 a=1")
    assert told("a=kraken://?connections=3", 1) == number("1 a=3")
