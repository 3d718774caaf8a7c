"""The response of a stub, from its JSON."""

from typing import Final

from mockserver.bodies import BodyFiles, read_body, read_headers
from mockserver.delays import MAX_DELAY_MILLISECONDS, read_distribution, read_dribble
from mockserver.faults import read_fault
from mockserver.json_types import Json
from mockserver.problems import Reader, given, refuse_unknown
from mockserver.responses import ResponseDefinition
from mockserver.stocks import check_stocks

_FIELDS: Final = frozenset({
    "status", "statusMessage", "headers", "body", "jsonBody", "base64Body", "bodyFileName",
    "fixedDelayMilliseconds", "delayDistribution", "chunkedDribbleDelay", "fault", "transformers",
    "transformerParameters", "fromConfiguredStub",
})  # fmt: skip
_UNSUPPORTED: Final = frozenset({
    "proxyBaseUrl", "additionalProxyRequestHeaders", "removeProxyRequestHeaders",
    "proxyUrlPrefixToRemove",
})  # fmt: skip
_NO_FILE_TEMPLATE: Final = "disableBodyFileTemplating"


def read_response(field: Reader, files: BodyFiles) -> ResponseDefinition:
    """The response at `field`. Raises `FieldError`; notices say what disables its stub."""
    members = field.object()
    refuse_unknown(members, _FIELDS, _UNSUPPORTED)
    status, delay = given(members, "status"), given(members, "fixedDelayMilliseconds")
    distribution = given(members, "delayDistribution")
    dribble, fault = given(members, "chunkedDribbleDelay"), given(members, "fault")
    templated = _is_templated(members)
    parameters = _parameters(members)
    if parameters.get(_NO_FILE_TEMPLATE) and given(members, "bodyFileName"):
        raw_body = True
    else:
        raw_body = not templated
    return ResponseDefinition(
        # 1xx are not final: a client would wait for the real answer for ever.
        status=status.whole(200, 599) if status else 200,
        reason=reason.scalar() if (reason := given(members, "statusMessage")) else None,
        headers=read_headers(members, templated=templated),
        body=read_body(members, files, templated=not raw_body, named_by_template=templated),
        parameters=parameters,
        walk_seed=_walk_seed(members),
        fixed_delay_seconds=delay.whole(0, MAX_DELAY_MILLISECONDS) / 1000 if delay else None,
        delay_distribution=read_distribution(distribution) if distribution else None,
        dribble=read_dribble(dribble) if dribble else None,
        fault=read_fault(fault) if fault else None,
    )


def _parameters(members: dict[str, Reader]) -> dict[str, Json]:
    field = given(members, "transformerParameters")
    if field is None:
        return {}
    parameters = field.object()
    if "stocks" in parameters:
        check_stocks(parameters["stocks"])
    return {name: one.value for name, one in parameters.items()}


def _walk_seed(members: dict[str, Reader]) -> int | None:
    field = given(members, "transformerParameters")
    seed = field and given(field.object(), "walkSeed")
    return seed.whole(0, 2**53) if seed else None


def _is_templated(members: dict[str, Reader]) -> bool:
    templated = False
    field = given(members, "transformers")
    for item in field.items() if field else ():
        if item.text() == "response-template":
            templated = True
        else:
            item.notice(f"the transformer {item.text()!r} is not supported and has no effect")
    if not templated:
        for name in ("body", "jsonBody"):
            if (body := given(members, name)) is not None and "{{" in str(body.value):
                body.notice(
                    'it holds {{ and is sent as it is: a template needs "transformers": '
                    '["response-template"]'
                )
    return templated
