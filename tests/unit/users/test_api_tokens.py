"""API tokens as texts."""

from __future__ import annotations

import re
import string

import pytest

from stockstream.users.api_tokens import ALPHABET, PATTERN, checksum, key_of, new_token
from stockstream.users.sessions import digest_of


def test_a_token_is_known_by_its_form_and_its_checksum() -> None:
    """One that was mistyped anywhere is none, and no two are alike."""
    made = [new_token() for _ in range(50)]
    assert len({token.text for token in made}) == len({token.key for token in made}) == 50
    for token in made:
        assert re.fullmatch(r"ss_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}", token.text)
        assert re.fullmatch(PATTERN, token.text)
        assert key_of(token.text) == token.key == token.text[3:11]
        assert digest_of(token.text) == token.digest
    text = made[0].text
    for place in range(len(text)):
        other = "x" if text[place] != "x" else "y"
        assert key_of(text[:place] + other + text[place + 1 :]) is None, place


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: f" {text}",
        lambda text: f"{text}\n",
        lambda text: text.upper(),
        lambda text: text.replace("ss_", "sk_"),
        lambda text: text[:12] + text[20:] + text[12:20],
        lambda _: "",
        lambda _: "ss_",
        lambda _: "ss_" + "٣" * 8 + "_" + "0" * 38,
    ],
)
def test_what_is_not_quite_a_token_is_none(change) -> None:
    """A cut one, a longer one, one with parts changed over, digits of other scripts."""
    assert key_of(change(new_token().text)) is None


def test_the_checksum_is_crc32_to_the_base_of_62() -> None:
    """So that others can check it: of the text before it, most significant digit first."""
    assert string.digits + string.ascii_uppercase + string.ascii_lowercase == ALPHABET
    number = 0
    for digit in checksum("123456789"):
        number = number * 62 + ALPHABET.index(digit)
    assert number == 0xCBF43926, "the check value of CRC-32"
    assert checksum("") == "000000"
