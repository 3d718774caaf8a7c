"""The calls of `wiremock`, the client of PyPI, against the stub API at the URL that is given."""

import sys

import requests
from wiremock.constants import Config
from wiremock.resources.mappings import Mapping, MappingRequest, MappingResponse
from wiremock.resources.mappings.resource import Mappings
from wiremock.resources.near_misses import NearMissMatchPatternRequest, NearMissMatchRequest
from wiremock.resources.near_misses.resource import NearMisses
from wiremock.resources.requests.resource import Requests
from wiremock.resources.scenarios.resource import Scenarios

URL = sys.argv[1]
Config.base_url = f"{URL}/__admin"


def asked(method: str, path: str, **options: object) -> int:
    return requests.request(method, URL + path, timeout=20, **options).status_code


def stub(path: str, status: int = 299, **more: object) -> Mapping:
    request = MappingRequest(method="GET", url=path)
    return Mapping(request=request, response=MappingResponse(status=status), **more)


made = Mappings.create_mapping(mapping=stub("/a", metadata={"k": "v"}))
assert asked("GET", "/a") == 299
assert asked("GET", "/b") == 404
assert Mappings.retrieve_mapping(mapping_id=made.id).id == made.id
assert Mappings.retrieve_all_mappings().meta.total == 2
made.response = MappingResponse(status=298)
Mappings.update_mapping(made)
assert asked("GET", "/a") == 298

assert (
    Requests.get_matching_request_count(NearMissMatchPatternRequest(url="/a", method="GET")).count
    == 2
)
assert (
    len(
        Requests.get_matching_requests(NearMissMatchPatternRequest(url="/a", method="GET")).requests
    )
    == 2
)
assert len(Requests.get_unmatched_requests().requests) == 1
assert len(Requests.get_all_received_requests().requests) == 3
assert len(Requests.get_all_received_requests(since="2100-01-01T00:00:00Z").requests) == 0
assert len(Requests.get_unmatched_requests_near_misses().near_misses) == 1
near = NearMisses.find_nearest_misses_by_request(NearMissMatchRequest(url="/ax", method="GET"))
assert near.near_misses
near = NearMisses.find_nearest_misses_by_request_pattern(
    NearMissMatchPatternRequest(url="/bx", method="GET")
)
assert near.near_misses

Mappings.create_mapping(
    mapping=stub("/s", scenario_name="x", required_scenario_state="Started", new_scenario_state="y")
)
assert [asked("GET", "/s") for _ in range(2)] == [299, 404]
Scenarios.reset_all_scenarios()
assert asked("GET", "/s") == 299

kept = Mappings.create_mapping(mapping=stub("/kept"))
Mappings.persist_mappings()
Mappings.reset_mappings()
assert asked("GET", "/kept") == 299
Mappings.delete_mapping(mapping_id=kept.id)
assert asked("GET", "/kept") == 404
Mappings.delete_mapping_by_metadata({"matchesJsonPath": "$.k"})
assert asked("GET", "/a") == 404
Mappings.delete_all_mappings()
assert asked("GET", "/s") == 404
print("done")
