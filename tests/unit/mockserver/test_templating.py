"""The template engine: what stubs may write, and what it becomes."""

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.templating import TemplateError, compile_template, render, request_model
from tests.unit.mockserver.support import NOW, SEED, rendered, request

BODY = b'{"a":{"b":[1,2.5,"x"]},"s":"q\\"z","flag":true}'
ASKED = request(
    "/t/x/y?symbol=AAPL&m=1&m=2&q=a%20b%3C%26", "POST", BODY, X_Foo="foo", Cookie="c1=v1; c2=v2"
)


NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.tuples(st.integers(-999, 999), st.integers(-1_000_000, 1_000_000)).map(
        lambda parts: f"{parts[0]}e{parts[1]}"
    ),
    st.sampled_from(["", "x", "NaN", "-Infinity", "1" * 5_000]),
)


@pytest.mark.proves("M12")
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{now}}", "2026-11-22T10:00:00Z"),
        ("{{now format='epoch'}}", "1795341600123"),
        ("{{now format='unix'}}", "1795341600"),
        ("{{now offset='-3 days' format='yyyy-MM-dd'}}", "2026-11-19"),
        ("{{now offset='1 months' format='yyyy-MM-dd'}}", "2026-12-22"),
        ("{{now offset='2 years' format='yy'}}", "28"),
        ("{{now timezone='Europe/Rome'}}", "2026-11-22T11:00:00+01:00"),
        ("{{now timezone='GMT+05:30' format='HH:mm Z XXX'}}", "15:30 +0530 +05:30"),
        ('{{now format="EEEE, d MMM yyyy hh:mm:ss.SSS a"}}', "Sunday, 22 Nov 2026 10:00:00.123 AM"),
        ("{{now format=\"yyyy-MM-dd'T'HH:mm:ss'Z'\"}}", "2026-11-22T10:00:00Z"),
        ("{{request.query.symbol}}", "AAPL"),
        ("{{request.query.m}} {{request.query.m.[1]}} {{request.query.m.1}}", "1 2 2"),
        ("{{request.query.m.first}} {{request.query.m.last}} {{request.query.m.[-1]}}", "1 2 1"),
        ("{{request.query.m.size}}{{request.query.none}}{{request.query.m.[7]}}", "2"),
        ("{{request.path}} {{request.path.[1]}} {{request.pathSegments.[2]}}", "/t/x/y x y"),
        (
            "{{request.headers.X-Foo}} {{request.headers.x-foo}} {{request.headers.[X-Foo]}}",
            "foo " * 2 + "foo",
        ),
        ("{{request.method}} {{request.url}}", "POST /t/x/y?symbol=AAPL&m=1&m=2&q=a%20b%3C%26"),
        ("{{request.cookies.c2}} {{request.baseUrl}}", "v2 http://stub.test:1080"),
        ("{{request.body}}", BODY.decode()),
        ("{{jsonPath request.body '$.a.b[1]'}} {{jsonPath request.body '$.s'}}", '2.5 q"z'),
        ("{{jsonPath request.body '$.none'}}|{{jsonPath request.body '$.none' default='d'}}", "|d"),
        (
            "{{#each (jsonPath request.body '$.a.b') as |v i|}}{{i}}={{v}};{{/each}}",
            "0=1;1=2.5;2=x;",
        ),
        ("{{#each (jsonPath request.body '$.a')}}{{@key}}={{this}}{{/each}}", 'b=[1,2.5,"x"]'),
        ("{{#each (array 1 2 3)}}{{this}}{{#unless @last}},{{/unless}}{{/each}}", "1,2,3"),
        ("{{#each none}}x{{else}}none{{/each}}", "none"),
        (
            "{{#each (array (array 1) (array 2))}}{{#each .}}{{@../index}}{{.}}{{/each}}{{/each}}",
            "0112",
        ),
        (
            "{{math 1 '+' 2}} {{math 1 '/' 2}} {{math 1.5 '*' 2}} {{math 9.0 'x' 4}}",
            "3 1 3.0 36.0",
        ),
        (
            "{{#if request.query.m}}Y{{else}}N{{/if}}{{#if request.query.none}}Y{{else}}N{{/if}}",
            "YN",
        ),
        ("{{#if 0}}a{{else if ''}}b{{else if 'false'}}c{{else}}d{{/if}}", "c"),
        (
            "{{#unless 0}}a{{/unless}}{{#eq 'a' 'a'}}Y{{else}}N{{/eq}}{{eq 1 2 yes='y' no='n'}}",
            "aYn",
        ),
        (
            "{{#if (or (eq 1 2) (contains 'abc' 'b'))}}Y{{/if}}{{and true false}}{{not ''}}",
            "Yfalsetrue",
        ),
        (
            "{{gt 2 1}}{{gte 2 2}}{{lt 2 1}}{{lte 1 1}}{{neq 1 1}}{{matches 'abc' 'a.*'}}",
            "truetruefalsetruefalsetrue",
        ),
        (
            "{{#assign 'x'}} a {{/assign}}[{{x}}]{{val no or='d'}}{{val 1 assign='y'}}{{y}}",
            "[a]d1",
        ),
        ("{{parameters.base}} {{parameters.list.[1].n}} {{parameters.none.deeper}}", "150 2 "),
        ("{{#with parameters.list.[0]}}{{n}}{{../request.method}}{{/with}}", "1POST"),
        (
            "{{#parameters.list}}{{n}}{{/parameters.list}}{{#parameters.none}}x{{^}}y{{/parameters.none}}",
            "12y",
        ),
        (
            "{{upper 'aB'}}{{lower 'aB'}}{{capitalize 'ab cd'}}{{trim ' a '}}{{join 'a' 'b' '-'}}",
            "ABabAb Cdaa-b",
        ),
        (
            "{{replace 'aXb' 'X' 'y'}}{{substring 'abc' 1 3}}{{lookup parameters 'base'}}",
            "aybbc150",
        ),
        (
            "{{base64 'hé'}} {{base64 'aMOp' decode=true}} {{toJson (array 1 'a')}}",
            'aMOp hé [ 1, "a" ]',
        ),
        (
            "{{#each (range 3 1)}}{{this}}{{/each}}{{parseJson '{\"k\":[7]}' 'p'}}{{p.k.[0]}}",
            "3217",
        ),
        ("{{!a}}{{!-- {{b}} --}}c  {{~'x'~}}  d \\{{e}}", "cxd \\"),
        ('{"a":{{request.query.m}}}', '{"a":1}'),
        ("{{{request.query.q}}}{{&request.query.q}}", "a b<&a b<&"),
        ("{{bogus}}{{#bogus}}x{{/bogus}}{{request.bogus.more}}", ""),
    ],
)
def test_templates_give_what_wiremock_gives(template: str, text: str) -> None:
    """Every helper and look-up named in M12, and those the bundled stubs need."""
    assert rendered(template, ASKED, base=150, list=[{"n": 1}, {"n": 2}]) == text


@pytest.mark.proves("M3", "M12")
@pytest.mark.parametrize(
    ("number", "pattern", "text"),
    [
        ("3.14159", "0.00", "3.14"),
        ("3", "0.00", "3.00"),
        ("0.125", "0.00", "0.12"),
        ("0.135", "0.00", "0.14"),
        ("2.5", "0", "2"),
        ("3.5", "0", "4"),
        ("-2.5", "0.0", "-2.5"),
        ("1234567.891", "#,##0.00", "1,234,567.89"),
        ("12.5", "000.000", "012.500"),
        ("0.5", "#.##", "0.5"),
        ("0.5", "#.00", ".50"),
        ("12", "#.##", "12"),
        ("0", "#", "0"),
        ("0.25", "percent", "25%"),
        ("12.5", "integer", "12"),
        ("-0.001", "0.00", "-0.00"),
        ("7", "$0.00 USD", "$7.00 USD"),
    ],
)
def test_numbers_are_formatted_by_decimal_format_patterns(
    number: str, pattern: str, text: str
) -> None:
    """Ties go to the even digit on the exact binary value, as in Java."""
    assert rendered(f"{{{{numberFormat {number} '{pattern}'}}}}") == text


@pytest.mark.proves("M3")
@given(seed=st.integers(0, 2**32), lower=st.integers(1, 9_000), width=st.integers(1, 500))
def test_prices_have_two_decimals_and_stay_in_their_range(
    seed: int, lower: int, width: int
) -> None:
    """A price is a JSON number with two decimals within the range, its upper end included."""
    template = f"{{{{numberFormat (randomDecimal lower={lower} upper={lower + width}) '0.00'}}}}"
    text = rendered(template, seed=seed)
    assert len(text.partition(".")[2]) == 2
    assert lower <= float(text) <= lower + width


@pytest.mark.proves("M13")
@given(
    seed=st.integers(0, 2**32),
    lower=st.floats(-1e9, 1e9),
    width=st.floats(1e-3, 1e9),
)
def test_random_decimals_are_in_the_half_open_range(seed: int, lower: float, width: float) -> None:
    """Never the upper end, whatever rounding does."""
    upper = lower + width
    drawn = float(
        rendered(
            "{{randomDecimal lower=parameters.l upper=parameters.u}}", seed=seed, l=lower, u=upper
        )
    )
    assert lower <= drawn < upper


@pytest.mark.proves("M13")
def test_random_decimals_are_uniform() -> None:
    """Ten parts of the range get equal shares: chi-squared, 9 degrees of freedom, p = 0.001."""
    dice = random.Random(SEED)
    count = 10_000
    shares = [0] * 10
    for _ in range(count):
        text = rendered("{{randomDecimal lower=145 upper=155}}", seed=dice.getrandbits(32))
        shares[int(float(text)) - 145] += 1
    expected = count / 10
    assert sum((share - expected) ** 2 / expected for share in shares) < 27.88, (SEED, shares)


@pytest.mark.proves("M13")
def test_the_largest_draw_of_the_dice_stays_below_the_upper_end() -> None:
    """Next to 1.0 the product rounds up to `upper`; that draw is moved inside."""

    class Highest(random.Random):
        def random(self) -> float:
            return 1 - 2**-53

    text = render(
        compile_template("{{randomDecimal lower=1000000000000000 upper=parameters.u}}"),
        request_model(request(), {}, {"u": 1e15 + 1}),
        dice=Highest(),
        now=NOW,
    )
    assert float(text) < 1e15 + 1


@pytest.mark.proves("M12")
@given(seed=st.integers(0, 2**32))
def test_random_values_have_the_form_that_is_asked_for(seed: int) -> None:
    """randomInt, randomValue of each type and pickRandom."""
    assert int(rendered("{{randomInt lower=-3 upper='3'}}", seed=seed)) in range(-3, 3)
    uuid = rendered("{{randomValue type='UUID'}}", seed=seed)
    assert len(uuid) == 36
    assert uuid[14] == "4"
    hexadecimal = rendered("{{randomValue length=12 type='HEXADECIMAL'}}", seed=seed)
    assert set(hexadecimal) <= set("0123456789abcdef")
    assert len(hexadecimal) == 12
    assert rendered("{{randomValue length=5 type='NUMERIC'}}", seed=seed).isdigit()
    letters = rendered("{{randomValue length=9 type='ALPHABETIC' uppercase=true}}", seed=seed)
    assert letters.isalpha()
    assert letters.isupper()
    assert len(rendered("{{randomValue}}", seed=seed)) == 36
    assert rendered("{{pickRandom 'a' 'b'}}", seed=seed) in {"a", "b"}
    assert rendered("{{pickRandom (array 'a' 'b')}}", seed=seed) in {"a", "b"}


@pytest.mark.proves("M12")
def test_the_same_dice_give_the_same_text() -> None:
    """Randomness comes from the dice alone."""
    template = "{{randomDecimal lower=1 upper=2}}{{randomValue}}{{pickRandom 1 2 3}}"
    assert rendered(template, seed=1) == rendered(template, seed=1)
    assert rendered(template, seed=1) != rendered(template, seed=2)


@pytest.mark.proves("M14")
@given(
    st.sampled_from(["+", "-", "*", "x", "/", "%"]),
    NUMBERS,
    NUMBERS,
    st.sampled_from(["0.00", "#,##0.###", "percent", "0"]),
)
def test_arithmetic_answers_or_says_why_not(
    operator: str, left: str, right: str, pattern: str
) -> None:
    """Whatever the numbers: an answer, or the one error that a stub's answer is made of."""
    with suppress(TemplateError):
        rendered(f"{{{{numberFormat (math '{left}' '{operator}' '{right}') '{pattern}'}}}}")


def test_large_numbers_are_exact() -> None:
    """As with Java's BigDecimal: 40 digits stay 40 digits."""
    assert (
        rendered("{{math '1000000000000000000000000000000000000001' '+' 1}}")
        == "1" + "0" * 38 + "2"
    )
    assert rendered("{{numberFormat '1e300' '0.00'}}").startswith("1000000000000000052504760255204")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{#if true}}x", "1:1: {{#if}} is never closed"),
        ("a\n {{/if}}", "2:2: {{/if}} closes nothing"),
        ("{{#if 1}}{{/each}}", "1:10: {{/each}} where {{/if}} was expected"),
        ("{{else}}", "1:1: {{else}} outside a block"),
        ("{{ ", "1:1: {{ is never closed"),
        ("{{> partial}}", "1:1: {{> is not supported"),
        ("{{bogus 'x'}}", "1:1: could not find helper: 'bogus'"),
        ("ab{{now offset='3 bogus'}}", "1:3: now: offset '3 bogus' is not"),
        ("{{now timezone='No/Where'}}", "1:1: now: unknown time zone 'No/Where'"),
        ("{{now format='Q'}}", "1:1: now: the letter 'Q' of the date format"),
        ("{{math 1 '**' 2}}", "1:1: math: ** is not a valid mathematical operator"),
        ("{{math 1 '/' 0}}", "1:1: math: 1 / 0 has no result"),
        ("{{math '1e999999' '*' '1e999999'}}", "1:1: math: 1E+999999 * 1E+999999 has no result"),
        ("{{math '1e308' '*' 10}}", "1:1: math: 1E+308 * 10 is too large"),
        ("{{math 0 '%' 0}}", "1:1: math: 0 % 0 has no result"),
        ("{{numberFormat '1e999' '0'}}", "1:1: numberFormat: inf is no number"),
        ("{{randomInt lower=3 upper=3}}", "1:1: randomInt: lower (3) must be below upper (3)"),
        ("{{randomDecimal lower='x'}}", "1:1: randomDecimal: lower is 'x', which is not a number"),
        ("{{randomValue type='BOGUS'}}", "1:1: randomValue: type 'BOGUS' is none of"),
        ("{{numberFormat 1 'x.y'}}", "1:1: numberFormat: 'x.y' is not a number format"),
        ("{{numberFormat 1 '0' 'de_DE'}}", "1:1: numberFormat: the locale 'de_DE'"),
        ("{{jsonPath '{}' '$..['}}", "1:1: jsonPath: expected"),
        ("{{range 1 99999999}}", "1:1: range: a range holds at most"),
        ("{{#each (range 1 9999)}}{{#each (range 1 9999)}}{{/each}}{{/each}}", "1:25: each: more"),
        ("{{#each (range 1 999)}}{{parameters.long}}{{/each}}", "1:1: each: more than 5000000"),
        ("{{substring 'abc' 2 9}}", "1:1: substring: 2 to 9 is outside"),
        ("{{a b=1 c}}", "1:8: a plain argument after a named one"),
    ],
)
def test_what_is_wrong_with_a_template_is_said_with_its_place(template: str, problem: str) -> None:
    """Syntax errors and failing helpers name line, column and culprit."""
    with pytest.raises(TemplateError) as caught:
        rendered(template, long="x" * 10_000)
    assert str(caught.value).startswith(problem)


@given(st.text(alphabet="{}#/~!^&()|='\"a.@[]\\ \n1", max_size=60))
def test_any_text_is_rendered_or_refused(text: str) -> None:
    """No input makes the engine fail in any other way."""
    try:
        rendered(text, ASKED)
    except TemplateError:
        return


@given(st.text(alphabet=st.characters(exclude_characters="{\\"), max_size=60))
def test_text_without_braces_is_copied(text: str) -> None:
    """Only what stands between braces is touched."""
    assert rendered(text) == text


def test_templates_nest_only_so_deep() -> None:
    """Deep nesting is an error, not a stack overflow."""
    with pytest.raises(TemplateError, match="nested more than"):
        rendered("{{#if 1}}" * 2_000 + "{{/if}}" * 2_000)
    with pytest.raises(TemplateError, match="nested more than"):
        rendered("{{" + "not (" * 2_000 + "not 1" + ")" * 2_000 + "}}")


@pytest.mark.proves("M12")
def test_templates_cannot_reach_into_the_server() -> None:
    """Names lead into data only, never to attributes of Python objects."""
    assert (
        rendered("{{request.__class__}}{{this.__init__.__globals__}}{{request.query.keys}}", ASKED)
        == ""
    )


@pytest.mark.proves("M15")
def test_values_are_written_as_they_are() -> None:
    """WireMock escapes nothing, whatever the body's type; so neither do we."""
    asked = request("/?q=%3Cb%3E%22%27%26", "POST", b'<i>"&')
    assert (
        rendered("{{request.query.q}} {{request.body}} {{{request.body}}}", asked)
        == '<b>"\'& <i>"& <i>"&'
    )


def test_numbers_are_written_as_java_writes_them() -> None:
    """Exponents from ten million up and below a thousandth."""
    numbers = [1.0, 0.001, 12345678.9, 1.5e300, 0.00012, -2.5e-7]
    assert rendered("{{#each parameters.n}}{{this}} {{/each}}", n=list(numbers)) == (
        "1.0 0.001 1.23456789E7 1.5E300 1.2E-4 -2.5E-7 "
    )
