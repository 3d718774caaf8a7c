"""Templates of an outside review: the real WireMock and the stub API write the same text."""

import pytest

from tests.integration.mockserver.conftest import Both

pytestmark = pytest.mark.proves("M12", "M21")

BODY = (
    '{"a":{"b":[1,2.5,"x"]},"s":"q","e":{},"items":[{"id":1,"name":"foo"},{"id":2,"name":"b-r"}]}'
)
TEMPLATES = [
    r"""{{upper 'a\nb'}}|{{upper 'a\'b'}}|{{upper "a\"b"}}|{{upper 'a\"b'}}|{{upper 'a\\b'}}""",
    r"{{#matches 'abc123' '[a-z]+\d+'}}Y{{else}}N{{/matches}}|{{matches 'abc' 'a\.c'}}",
    r"{{jsonPath request.body '$.items[?(@.name =~ /\w+/)].id'}}",
    "{{request.path}}|{{request.requestLine.path}}|{{request.requestLine.method}}",
    "{{request.requestLine.pathSegments.[1]}}|{{request.requestLine.query.m.[1]}}",
    "{{request.requestLine.scheme}}|{{request.requestLine.host}}|{{request.multipart}}",
    "{{#each request.pathSegments}}[{{this}}]{{/each}}|{{#each request.path}}[{{this}}]{{/each}}",
    "{{size request.pathSegments}}|{{size request.query.m}}|{{size request.headers.X-Foo}}",
    "{{join request.pathSegments '/'}}|{{join request.query.m ','}}|{{toJson request.query.m}}",
    "{{toJson request.pathSegments}}|{{toJson request.headers.X-Foo}}|{{toJson parameters}}",
    "{{#contains request.query.m '2'}}Y{{else}}N{{/contains}}|{{contains 'x' parameters.none}}",
    "{{#if (jsonPath request.body '$.e')}}Y{{else}}N{{/if}}",
    "{{#eq (jsonPath request.body '$.none') ''}}Y{{else}}N{{/eq}}",
    "{{val (jsonPath request.body '$.none') or='d'}}|{{val none default='d'}}|{{val none or='d'}}",
    "{{@root.request.method}}|{{#each (array 1 2 3)}}{{@odd}},{{@even}},{{@index_1}};{{/each}}",
    "{{#formatJson}}{\"a\":1}{{/formatJson}}|{{formatJson '{\"a\":[1,{\"b\":2}]}'}}",
    "{{#formatJson format='compact'}}{\"a\": 1}{{/formatJson}}",
    "{{urlEncode 'a b/ä'}}|{{urlEncode 'a%20b+c' decode=true}}|{{hostname}}",
    "{{regexExtract 'abc123def' '[0-9]+'}}|{{regexExtract 'abc' '[0-9]+' default='x'}}",
    "{{regexExtract 'abc-123' '([a-z]+)-([0-9]+)' 'parts'}}{{parts.0}},{{parts.1}}|{{parts}}",
    "{{arrayJoin ',' (array 1 2)}}|{{#arrayJoin ',' (array 1 2) as |i|}}<{{i}}>{{/arrayJoin}}",
    "{{join (arrayAdd (array 1 2) 3 position=0) ','}}|{{join (arrayRemove (array 1 2 3)) ','}}",
    "{{jsonMerge '{\"a\":1,\"b\":{\"c\":2}}' '{\"b\":{\"d\":3}}'}}",
    "{{jsonArrayAdd '[1,2]' '3'}}|{{jsonArrayAdd '{\"a\":[1]}' '{\"b\":2}' jsonPath='$.a'}}",
    "{{#each request.headers}}{{#unless (contains @key '-')}}{{@key}};{{/unless}}{{/each}}",
    "{{formData 'a=1&b=x+y&a=2' 'f' urlDecode=true}}{{f.a}}|{{f.a.[1]}}|{{f.b}}",
    "{{date (parseDate '2020-01-02T03:04:05Z') format='yyyy/MM/dd'}}",
    "{{truncateDate (parseDate '2020-05-02T03:04:05Z') 'last day of month'}}",
    "{{capitalizeFirst 'abc def'}}|{{capitalize 'abC' fully=true}}|{{cut 'abcabc' 'b'}}",
    "{{center 'ab' size=6 pad='*'}}|{{ljust 'ab' size=4}}|{{rjust 'ab' size=4 pad='0'}}",
    "{{defaultIfEmpty '' 'd'}}|{{slugify 'Ab Cd!'}}|{{stripTags '<b>x</b>'}}|{{yesno true}}",
    "{{abbreviate 'hello big world' 10}}|{{wordWrap 'a b c d' 3}}|{{stringFormat '%s-%d' 'a' 5}}",
    "{{join 'a' 'b' ', ' prefix='[' suffix=']'}}|{{base64 'a' padding=false}}",
    "{{and true true yes='y' no='n'}}|{{not true yes='y' no='n'}}|{{gt 'b' 'a'}}|{{gt '2' '10'}}",
    "{{numberFormat 1234.567 maximumFractionDigits=1}}",
    "{{numberFormat 1234.567 groupingUsed=false}}",
    "{{numberFormat 1.235 '0.00' roundingMode='half_up'}}|{{now format='YYYY w'}}",
    "  {{~upper 'x'~}}  ",
    "a  {{~#if true~}}  b {{~upper 'x'~}}  c {{~/if~}}  d",
    "{{upper 'x'~}}  {\"a\":{\"b\":1}}  ",
    "{\"a\":  {{~upper 'x'~}}  }",
    "a {{upper 'x'}} {{~{upper 'y'}~}} {{upper 'z'}} b",
    "{{#upper 'q'}}x{{/upper}}|{{#urlEncode 'q r'}}x{{/urlEncode}}|{{#trim ' q '}} x {{/trim}}",
    "{{#base64 'q'}}x{{/base64}}|{{#capitalize 'q'}}x{{/capitalize}}|{{#cut 'aqa' 'a'}}x{{/cut}}",
]  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates(both: Both, template: str) -> None:
    """Byte for byte."""
    both.add(
        {
            "request": {"urlPathPattern": "/t/.*"},
            "response": {
                "body": template,
                "transformers": ["response-template"],
                "transformerParameters": {"x": 5, "list": [{"n": 1}, {"n": 2}]},
            },
        }
    )
    wiremock, ours = both.ask(
        "POST", "/t/seg%202/y?m=1&m=2", content=BODY, headers={"X-Foo": "foo"}
    )
    assert (ours.status_code, ours.text) == (wiremock.status_code, wiremock.text)
    assert ours.status_code == 200
