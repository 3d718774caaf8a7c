"""The rest of the admin API in the real WireMock and here: same calls, same answers."""

from typing import Any

import pytest

from tests.integration.mockserver.conftest import Both

pytestmark = pytest.mark.proves("M16", "M21")

A = "11111111-1111-1111-1111-111111111111"
B = "22222222-2222-2222-2222-222222222222"


def stub(key: str, url: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "request": {"url": url}, "response": {"status": 200}, **more}


def called(both: Both, method: str, path: str, **options: Any) -> tuple[Any, Any]:
    """The JSON that both answer; the same status and, of errors, the same code."""
    wiremock, ours = both.ask(method, f"/__admin/{path}", **options)
    assert ours.status_code == wiremock.status_code, (path, wiremock.text, ours.text)
    return tuple(one.json() if one.content else None for one in (wiremock, ours))  # type: ignore[return-value]


def ids(answer: Any) -> list[str]:
    """Those of the stubs that the test has added, in their order."""
    return [one["id"] for one in answer["mappings"] if one["id"] in {A, B}]


def test_import(both: Both) -> None:
    """Stubs are added or replaced; on request nothing is replaced, or all others go."""
    first = {"mappings": [stub(A, "/a"), stub(B, "/b")]}
    assert called(both, "POST", "mappings/import", json=first) == (None, None)
    listed = called(both, "GET", "mappings")
    assert ids(listed[0]) == ids(listed[1])
    options = {"duplicatePolicy": "IGNORE", "deleteAllNotInImport": True}
    second = {"mappings": [stub(A, "/a2")], "importOptions": options}
    called(both, "POST", "mappings/import", json=second)
    listed = called(both, "GET", "mappings")
    assert [one["request"]["url"] for one in listed[1]["mappings"]] == ["/a"]
    assert [one["request"]["url"] for one in listed[0]["mappings"]] == ["/a"]
    called(both, "POST", "mappings/import", json={"mappings": [stub(A, "/a3")]})
    assert [one.status_code for one in both.ask("GET", "/a3")] == [200, 200]


def test_find_and_remove_by_metadata(both: Both) -> None:
    """A condition on the metadata, as JSON, chooses stubs and requests of the journal."""
    both.add(stub(A, "/a", metadata={"k": "v"}))
    both.add(stub(B, "/b"))
    for condition in ({"matchesJsonPath": "$.k"}, {"equalToJson": {"k": "v"}}):
        found = called(both, "POST", "mappings/find-by-metadata", json=condition)
        assert [ids(one) for one in found] == [[A], [A]]
        assert found[0]["meta"] == found[1]["meta"]
    none = called(both, "POST", "mappings/find-by-metadata", json={"matchesJsonPath": "$.x"})
    assert [ids(one) for one in none] == [[], []]
    for path in ("/a", "/b", "/a"):
        both.ask("GET", path)
    removed = called(both, "POST", "requests/remove-by-metadata", json={"matchesJsonPath": "$.k"})
    assert [len(one["serveEvents"]) for one in removed] == [2, 2]
    assert called(both, "POST", "mappings/remove-by-metadata", json={"matchesJsonPath": "$.k"}) == (
        {}, {},
    )  # fmt: skip
    assert [one.status_code for one in both.ask("GET", "/a")] == [404, 404]
    assert [one.status_code for one in both.ask("GET", "/b")] == [200, 200]


def test_remove_like_another(both: Both) -> None:
    """By its id, else by an equal request; without one nothing happens."""
    both.add(stub(A, "/a"))
    both.add(stub(B, "/b"))
    for like in (
        stub(A, "/zzz"),
        {"request": {"url": "/b"}, "response": {}},
        {"request": {"url": "/nope"}},
    ):
        assert called(both, "POST", "mappings/remove", json=like) == (None, None)
    for path in ("/a", "/b"):
        assert [one.status_code for one in both.ask("GET", path)] == [404, 404]


def test_unmatched_stubs(both: Both) -> None:
    """Those that served nothing are listed, and removed."""
    both.add(stub(A, "/a"))
    both.add(stub(B, "/b"))
    both.ask("GET", "/a")
    assert [ids(one) for one in called(both, "GET", "mappings/unmatched")] == [[B], [B]]
    called(both, "DELETE", "mappings/unmatched")
    assert [ids(one) for one in called(both, "GET", "mappings")] == [[A], [A]]


def test_the_journal_is_filtered(both: Both) -> None:
    """By time and by stub; what is no time or id is refused; entries can be removed."""
    both.add(stub(A, "/a"))
    for path in ("/a", "/none?x=1", "/a"):
        both.ask("GET", path)
    for query in (
        f"matchingStub={A}", f"matchingStub={B}", "since=2030-01-01T00:00:00Z",
        "since=2020-01-01T00:00:00Z", "unmatched=true", "limit=1", "since=x", "since=2000-01-01",
        "matchingStub=x",
    ):  # fmt: skip
        wiremock, ours = called(both, "GET", f"requests?{query}")
        if "requests" in wiremock:
            assert len(ours["requests"]) == len(wiremock["requests"]), query
    removed = called(both, "POST", "requests/remove", json={"url": "/none?x=1"})
    assert [[e["request"]["url"] for e in one["serveEvents"]] for one in removed] == [
        ["/none?x=1"], ["/none?x=1"],
    ]  # fmt: skip
    for client in both.each():
        newest = client.get("/__admin/requests").json()["requests"][0]["id"]
        for _ in range(2):
            assert client.delete(f"/__admin/requests/{newest}").status_code == 200
        assert client.get(f"/__admin/requests/{newest}").status_code == 404
        assert len(client.get("/__admin/requests").json()["requests"]) == 1


def test_near_misses(both: Both) -> None:
    """Of a request, of a pattern and of what nothing matched: the same stubs and requests."""
    both.add(stub(A, "/prices/of/today"))
    both.add(stub(B, "/news"))
    both.ask("GET", "/prices/of/todax")
    misses = called(both, "GET", "requests/unmatched/near-misses")
    for one in misses:
        miss = one["nearMisses"][0]
        assert miss["stubMapping"]["id"] == A
        assert 0 < miss["matchResult"]["distance"] <= 1
    asked = {"url": "/prices/of/x", "method": "GET", "headers": {"Accept": "*/*"}}
    misses = called(both, "POST", "near-misses/request", json=asked)
    assert [one["nearMisses"][0]["stubMapping"]["id"] for one in misses] == [A, A]
    pattern = {"url": "/prices/of/today", "method": "GET"}
    misses = called(both, "POST", "near-misses/request-pattern", json=pattern)
    assert [one["nearMisses"][0]["request"]["url"] for one in misses] == ["/prices/of/todax"] * 2
    assert set(misses[0]["nearMisses"][0]) == set(misses[1]["nearMisses"][0])


def test_files_and_what_is_read_from_them(both: Both) -> None:
    """Put, listed, read, served as bodies under a name that may be a template, removed."""
    both.add(
        {
            "request": {"urlPathPattern": "/f/.*"},
            "response": {
                "bodyFileName": "made/{{request.pathSegments.[1]}}.txt",
                "transformers": ["response-template"],
            },
        }
    )
    # Both have one directory here, so what the second puts is what the first has put.
    put = called(both, "PUT", "files/made/x.txt", content="hi {{request.method}}")
    assert put[0] == put[1]
    assert called(both, "GET", "files") == (["hello.txt", "made/x.txt"],) * 2
    read = both.ask("GET", "/__admin/files/made/x.txt")
    assert [one.text for one in read] == ["hi {{request.method}}"] * 2
    assert [one.text for one in both.ask("GET", "/f/x")] == ["hi GET"] * 2
    assert [one.status_code for one in both.ask("GET", "/f/y")] == [500, 500]
    called(both, "DELETE", "files/made/x.txt")
    assert [one.status_code for one in both.ask("GET", "/__admin/files/made/x.txt")] == [404, 404]


@pytest.mark.proves("M18")
def test_calls_that_only_wiremock_has_are_said(both: Both) -> None:
    """In JSON, with the call's name."""
    for method, path in [
        ("POST", "recordings/start"), ("GET", "docs"), ("PATCH", "settings/extended"),
        ("POST", "requests/nothing"), ("PATCH", "mappings"),
    ]:  # fmt: skip
        answer = both.ours.request(method, f"/__admin/{path}")
        assert answer.status_code == 404
        (error,) = answer.json()["errors"]
        assert f"{method} /__admin/{path}" in error["title"]
