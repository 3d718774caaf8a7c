"""The chaos API beside its command: what programs of other people send."""

from __future__ import annotations

import pytest

from tests.integration.admin.operators import by_token
from tests.support.tree import running_tree


@pytest.mark.parametrize("path", ["inject", "experiments"])
async def test_a_body_that_is_no_json_is_refused_and_nothing_is_done(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes that are no UTF-8 among them."""
    async with running_tree(chaos_enabled=True) as tree, by_token(tree) as operator:
        for body in (b'{"action":"\xff\xfe"}', b'{"title":"\xff"}', b"\xff", b"", b"[]"):
            answer = await operator.post(f"/admin/api/chaos/{path}", content=body)
            assert answer.status_code == 400, body
            assert answer.json()["error"]["code"] == "bad_body"
        status = (await operator.get("/admin/api/chaos/status")).json()
        assert (status["history"], status["experiment"]) == ([], None)
        assert "Traceback" not in caplog.text
