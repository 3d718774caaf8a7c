"""`stockstream notices`, against a receiver on this machine."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from stockstream.alerts.signing import signature

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Run

KEY = {"SECRET_KEY_BASE": "a-key-of-the-tests-that-is-long-enough-for-anybody"}


class Hook(BaseHTTPRequestHandler):
    """Takes the first one, and no other."""

    posts: list[tuple[str, bytes]] = []  # noqa: RUF012 - one receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.posts.append((self.headers["StockStream-Signature"], body))
        self.send_response(204 if len(self.posts) == 1 else 500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_trial_is_posted_and_signed_with_the_secret_that_is_printed(stockstream: Run) -> None:
    """And when it is not taken, it says why, without the address."""
    server = HTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=server.serve_forever, daemon=True).start()
    there = {
        "OPERATOR_WEBHOOK": f"http://127.0.0.1:{server.server_port}/hunter2",
        "WEBHOOK_NETWORKS": "127.0.0.0/8",
        "WEBHOOK_ALLOW_HTTP": "true",
        **KEY,
    }
    taken = stockstream("notices", "try", **there)
    assert (taken.code, taken.err) == (0, "")
    assert taken.out.startswith("taken with status 204 after ")
    ((header, body),) = Hook.posts
    assert json.loads(body)["kind"] == "trial"
    fields = dict(part.split("=") for part in header.split(","))
    secret = stockstream("notices", "secret", **there).out.strip()
    assert fields["v1"] == signature(secret, body, int(fields["t"]))
    refused = stockstream("notices", "try", **there)
    server.shutdown()
    server.server_close()
    assert (refused.code, refused.out, refused.err) == (1, "", "not taken: status 500\n")


def test_wrong_settings_are_named_and_not_repeated(stockstream: Run) -> None:
    """No address, one inside, one that is none; and no secret that a start would not have."""
    assert "OPERATOR_WEBHOOK: is not set" in stockstream("notices", "try", **KEY).err
    assert "SECRET_KEY_BASE: not made yet" in stockstream("notices", "secret").err
    for address, why in [
        ("https://10.0.0.1/hunter2", "10.0.0.1 is not on the internet"),
        ("https://a:hunter2/x", "no address"),
        ("http://example.com/hunter2", "write https://host/path"),
    ]:
        ended = stockstream("config", OPERATOR_WEBHOOK=address)
        assert ended.code == 2
        assert f"OPERATOR_WEBHOOK: {why}" in ended.err
        assert "hunter2" not in ended.out + ended.err
    shown = stockstream("config", OPERATOR_WEBHOOK="https://hooks.example.com/T0/hunter2")
    assert "https://hooks.example.com/********" in shown.out
    assert "hunter2" not in shown.out
