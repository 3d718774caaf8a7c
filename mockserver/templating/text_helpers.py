"""The helpers that work on text."""

import base64
import platform
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote_plus, unquote_plus

from mockserver.incoming import collect
from mockserver.templating.arguments import number_of, regex_of, whole_of
from mockserver.templating.errors import TemplateError
from mockserver.templating.evaluation import MAX_OUTPUT_CHARACTERS, Helper, HelperCall
from mockserver.templating.values import Several, Value, is_truthy, text_of

MAX_WIDTH: Final = 100_000  # characters that a text is filled up to
_FORMAT: Final = re.compile(r"%(?:(%)|([-0+ ,]*)(\d{0,4})(?:\.(\d{1,3}))?([sdfxXb]))")


def _text(change: Callable[[str], str]) -> Helper:
    return Helper(lambda call: change(text_of(call.text())))


def _capitalize(call: HelperCall) -> Value:
    """Every word with a capital; the rest of it as it is, or in lower case with `fully=true`."""
    text = text_of(call.text())
    if is_truthy(call.options.get("fully")):
        text = text.lower()
    return re.sub(r"(^|\s)(\S)", lambda found: found.group(1) + found.group(2).upper(), text)


def _filled(place: Callable[[str, int, str], str]) -> Helper:
    def helper(call: HelperCall) -> Value:
        """The text filled up to `size` with `pad`."""
        if "size" not in call.options:
            raise TemplateError("expected a size")
        size = whole_of(call.options["size"], "size", MAX_WIDTH)
        pad = text_of(call.options.get("pad", " "))
        if len(pad) != 1:
            raise TemplateError("pad must be one character")
        return place(text_of(call.argument(0)), size, pad)

    return Helper(helper, frozenset({"size", "pad"}))


def _centered(text: str, size: int, pad: str) -> str:
    before = (size - len(text)) // 2
    return f"{pad * max(0, before)}{text}".ljust(size, pad)


def _cut(call: HelperCall) -> Value:
    """The text without every occurrence of another (a blank)."""
    part = text_of(call.argument(1)) if len(call.arguments) > 1 else " "
    text = text_of(call.text())
    return text.replace(part, "") if part else text


def _default_if_empty(call: HelperCall) -> Value:
    """The first argument, or the second where it is empty."""
    return call.argument(0) if is_truthy(call.argument(0)) else call.argument(1)


def _replace(call: HelperCall) -> Value:
    """The text with every occurrence of one text replaced by another."""
    text, old, new = (text_of(call.argument(index)) for index in range(3))
    if text.count(old) * len(new) > MAX_OUTPUT_CHARACTERS:
        raise TemplateError(f"more than {MAX_OUTPUT_CHARACTERS} characters")
    return text.replace(old, new)


def _substring(call: HelperCall) -> Value:
    """The text from a start to before an end, both counted from 0."""
    text = text_of(call.argument(0))
    start = int(number_of(call.argument(1), "the start"))
    end = int(number_of(call.argument(2), "the end")) if len(call.arguments) > 2 else len(text)
    if not 0 <= start <= end <= len(text):
        raise TemplateError(f"{start} to {end} is outside a text of {len(text)} characters")
    return text[start:end]


def _slug(text: str) -> str:
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower())


def _abbreviated(call: HelperCall) -> Value:
    """The text cut to a width, dots included."""
    text = text_of(call.argument(0))
    width = whole_of(call.argument(1), "the width", MAX_OUTPUT_CHARACTERS)
    if width < 4:
        raise TemplateError("the width must be at least 4")
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _wrapped(call: HelperCall) -> Value:
    """The text in lines of a width."""
    width = whole_of(call.argument(1), "the width", MAX_WIDTH)
    text = text_of(call.argument(0))
    return "\n".join(textwrap.wrap(text, max(1, width), break_long_words=False))


def _formatted(call: HelperCall) -> Value:
    """`stringFormat '%s-%05d' 'a' 5`: the conversions s, d, f, x, X and b of Java's."""
    arguments = iter(call.arguments[1:])

    def one(found: re.Match[str]) -> str:
        percent, flags, width, precision, kind = found.groups(default="")
        if percent:
            return "%"
        try:
            value = next(arguments)
        except StopIteration:
            raise TemplateError("there are fewer values than conversions") from None
        if kind in "sb":
            text = text_of(value) if kind == "s" else str(is_truthy(value)).lower()
            text = text[: int(precision)] if precision else text
            return text.ljust(int(width or 0)) if "-" in flags else text.rjust(int(width or 0))
        number = number_of(value, "a value")
        shown = float(number) if kind == "f" else int(number)
        sign = "+" if "+" in flags else ("-" if " " not in flags else " ")
        fill = "0" if "0" in flags else ""
        comma = "," if "," in flags else ""
        align = "<" if "-" in flags else ">" if not fill else ""
        points = f".{precision or 6}" if kind == "f" else ""
        return format(shown, f"{align}{sign}{fill}{width}{comma}{points}{kind}")

    pattern = text_of(call.argument(0))
    if "%" in _FORMAT.sub("", pattern):
        raise TemplateError(f"the format {pattern!r} is not supported")
    return _FORMAT.sub(one, pattern)


def _base64(call: HelperCall) -> Value:
    """The text in Base64, or out of it with `decode=true`; `padding=false` leaves out the =."""
    text = text_of(call.subject())
    if not is_truthy(call.options.get("decode")):
        encoded = base64.b64encode(text.encode()).decode()
        return encoded if is_truthy(call.options.get("padding", True)) else encoded.rstrip("=")
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, validate=True).decode()
    except ValueError as error:
        raise TemplateError("the text is not Base64 of UTF-8") from error


def _url_encode(call: HelperCall) -> Value:
    """The text as a form encodes it, or out of that with `decode=true`."""
    text = text_of(call.text())
    decode = is_truthy(call.options.get("decode"))
    return unquote_plus(text, errors="replace") if decode else quote_plus(text, safe="*-._")


def _form_data(call: HelperCall) -> Value:
    """The fields of a form's body; kept under a name if one is given."""
    text = text_of(call.argument(0))
    if is_truthy(call.options.get("urlDecode")):
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace")
    else:
        pieces = (piece.partition("=") for piece in text.split("&"))
        pairs = [(name, value) for name, _, value in pieces]
    fields: Value = {name: Several(values) for name, values in collect(pairs).items()}
    return keep(call, call.argument(1), fields)


def _regex_extract(call: HelperCall) -> Value:
    """The first part of the text that fits; its groups are kept under a name if one is given."""
    pattern = text_of(call.argument(1))
    found = regex_of(pattern).first(text_of(call.argument(0)))
    if found is None:
        if "default" in call.options:
            return call.options["default"]
        raise TemplateError(f"nothing matched {pattern}")
    whole, groups = found
    if call.argument(2) is None:
        return whole
    return keep(call, call.argument(2), Several(tuple(one or "" for one in groups)))


def keep(call: HelperCall, name: Value, value: Value) -> Value:
    """Keep `value` under `name` for this rendering, and write nothing; without a name, give it."""
    if name is None:
        return value
    call.rendering.variables[text_of(name)] = value
    return ""


TEXT: Final[Mapping[str, Helper]] = {
    "upper": _text(str.upper),
    "lower": _text(str.lower),
    "trim": Helper(lambda call: text_of(call.subject()).strip()),
    "capitalize": Helper(_capitalize, frozenset({"fully"})),
    "capitalizeFirst": _text(lambda text: text[:1].upper() + text[1:]),
    "center": _filled(_centered),
    "ljust": _filled(str.ljust),
    "rjust": _filled(str.rjust),
    "cut": Helper(_cut),
    "defaultIfEmpty": Helper(_default_if_empty),
    "replace": Helper(_replace),
    "substring": Helper(_substring),
    "slugify": _text(_slug),
    "stripTags": _text(lambda text: re.sub(r"<[^<>]*>", "", text)),
    "abbreviate": Helper(_abbreviated),
    "wordWrap": Helper(_wrapped),
    "stringFormat": Helper(_formatted),
    "base64": Helper(_base64, frozenset({"decode", "padding"})),
    "urlEncode": Helper(_url_encode, frozenset({"decode"})),
    "formData": Helper(_form_data, frozenset({"urlDecode"})),
    "regexExtract": Helper(_regex_extract, frozenset({"default"})),
    "hostname": Helper(lambda _: platform.node()),
}
