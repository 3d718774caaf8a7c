"""The client of commands for a running server: its admin API, with the token."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import httpx
import msgspec

from stockstream.decoding import from_json
from stockstream.environment import NOT_MADE_YET, load
from stockstream.errors import StartError
from stockstream.http_client import tls_context
from stockstream.secret_places import SecretPlaces
from stockstream.server_file import running_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.environment import Configuration

T = TypeVar("T")

TIMEOUT_SECONDS = 10.0


def server_url(url: str | None) -> str:
    """The address of a server that is asked without a token: see `address`."""
    return url or os.environ.get("STOCKSTREAM_URL") or _url_here(load())


def _url_here(configuration: Configuration) -> str:
    """The address of the server with this data, unless a setting here names its port."""
    settings = configuration.settings
    if configuration.sources["port"] == "default" or settings.port == 0:
        named = configuration.sources["data_directory"] != "default"
        server = running_server(settings.data_directory, of_anybody=named)
        if server is not None:
            return server.url
    return f"http://127.0.0.1:{settings.port}"


def token_of(variable: str) -> str | None:
    """The token in one of the commands' own variables, or in the file that it names with `_FILE`.

    Raises:
        ConfigurationError: both are set, or the file holds none.
    """
    given = SecretPlaces(os.environ, {}, None).find(variable)
    return None if given is None else given.value.get_secret_value()


def address(url: str | None, token: str | None) -> tuple[str, str]:
    """The server's address and token: those given, else the environment's.

    Without either, those of the server that a start here would be, by its data directory.

    Raises:
        StartError: no token is given, and none is kept here.
    """
    url = url or os.environ.get("STOCKSTREAM_URL")
    token = token or token_of("STOCKSTREAM_TOKEN")
    if url is None or token is None:
        configuration = load()
        settings = configuration.settings
        url = url or _url_here(configuration)
        if token is None and configuration.sources["admin_token"] == NOT_MADE_YET:
            raise StartError(
                f"no server was started here: {settings.data_directory / 'admin_token'} is not "
                "there. Run this in the directory where it was started, or set DATA_DIRECTORY as "
                "it was set there, or give its ADMIN_TOKEN by --token or STOCKSTREAM_TOKEN"
            )
        token = token or settings.admin_token.get_secret_value()
    return url, token


class Refused(StartError):
    """The server answered with an error; `code` is its word for programs, if it has one."""

    def __init__(self, text: str, code: str | None) -> None:
        super().__init__(text)
        self.code = code


class AdminClient:
    """One server's admin API, at the `address` that follows from what was given."""

    def __init__(
        self, url: str | None, token: str | None, *, seconds: float = TIMEOUT_SECONDS
    ) -> None:
        """An answer may take so many `seconds`."""
        url, token = address(url, token)
        self._seconds = seconds
        self._url = url.rstrip("/")
        self._headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, kind: type[T]) -> T:
        """Fetch `path` and read it as `kind`.

        Raises:
            Refused: it answers with an error, other than to a wrong token.
            StartError: the server is not there, refuses the token, or answers something else.
        """
        return self._asked("GET", path, kind)

    def change(self, method: str, path: str, kind: type[T], body: object | None = None) -> T:
        """Ask for a change by `PUT`, `POST` or `DELETE`, and read the answer as `kind`.

        Raises:
            Refused, StartError: as `get` does.
        """
        return self._asked(method, path, kind, None if body is None else msgspec.json.encode(body))

    def _asked(self, method: str, path: str, kind: type[T], content: bytes | None = None) -> T:
        try:
            answer = httpx.request(
                method,
                f"{self._url}{path}",
                content=content,
                headers=self._headers,
                timeout=self._seconds,
                verify=tls_context(),
                trust_env=False,  # a proxy of the environment would be shown the token
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise StartError(
                f"no server answers at {self._url}: {error}; "
                "is it running? Set --url or STOCKSTREAM_URL if it is elsewhere"
            ) from error
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise StartError(
                f"{self._url} does not accept this token. Run this in the directory where the "
                "server was started, or set DATA_DIRECTORY as it was set there; or give its "
                "ADMIN_TOKEN, or an API token, by --token or STOCKSTREAM_TOKEN"
            )
        if answer.status_code != httpx.codes.OK:
            reason = reason_of(answer)
            text = f"{self._url}{path} answered {answer.status_code}: {reason.reason}"
            raise Refused(text, reason.code)
        try:
            return from_json(answer.content, kind)
        except msgspec.MsgspecError as error:
            raise StartError(f"{self._url} is no StockStream server: {error}") from error


class Reason(msgspec.Struct):
    """Why a server refuses: in words, and its word for programs."""

    reason: str
    code: str | None = None


class _Refusal(msgspec.Struct):
    error: Reason


def reason_of(answer: httpx.Response) -> Reason:
    """The server's own message, else the begin of the body."""
    try:
        return from_json(answer.content, _Refusal).error
    except msgspec.MsgspecError:
        return Reason(answer.text[:200])
