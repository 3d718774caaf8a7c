"""A throw-away RSA key and self-signed certificate, so that no key lies in the repository.

The encodings are those of RFC 5280 (X.509) and RFC 8017 (RSA, PKCS #1 v1.5), cut to what a
TLS server needs to start.
"""

import base64
import datetime
import functools
import hashlib
import ipaddress
import math
import secrets
import ssl
from pathlib import Path

_SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2))]
_EXPONENT = 65537
_NULL = b"\x05\x00"


def server_context(
    directory: Path, *, address: str | None = None, days: tuple[int, int] = (-1, 1)
) -> ssl.SSLContext:
    """A context with a fresh certificate; the files go to `directory`.

    It is for the IP `address`, and valid for `days` from now. Without an address it is for nobody.
    Who trusts `server.pem` trusts it.
    """
    key = _key()
    chain = directory / "server.pem"
    certificate = _certificate(key, address, days)
    chain.write_text(_pem("RSA PRIVATE KEY", key.der()) + _pem("CERTIFICATE", certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


def client_context() -> ssl.SSLContext:
    """A context that takes any certificate: the tests are about the stream, not the trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@functools.cache
def _key() -> "_Key":
    """One key for the whole process: finding its primes takes most of the time."""
    return _Key()


class _Key:
    def __init__(self, bits: int = 2048) -> None:
        self.p, self.q = _prime(bits // 2), _prime(bits // 2)
        self.n = self.p * self.q
        self.d = pow(_EXPONENT, -1, math.lcm(self.p - 1, self.q - 1))

    def der(self) -> bytes:
        numbers = (
            0,
            self.n,
            _EXPONENT,
            self.d,
            self.p,
            self.q,
            self.d % (self.p - 1),
            self.d % (self.q - 1),
            pow(self.q, -1, self.p),
        )
        return _sequence(*map(_integer, numbers))

    def sign(self, message: bytes) -> bytes:
        digest = _sequence(
            _sequence(_oid(2, 16, 840, 1, 101, 3, 4, 2, 1), _NULL),
            _tagged(0x04, hashlib.sha256(message).digest()),
        )
        size = (self.n.bit_length() + 7) // 8
        padded = b"\x00\x01" + b"\xff" * (size - 3 - len(digest)) + b"\x00" + digest
        return pow(int.from_bytes(padded), self.d, self.n).to_bytes(size)


def _certificate(key: _Key, address: str | None, valid_days: tuple[int, int]) -> bytes:
    algorithm = _sequence(_oid(1, 2, 840, 113549, 1, 1, 11), _NULL)
    name = _sequence(_tagged(0x31, _sequence(_oid(2, 5, 4, 3), _tagged(0x0C, b"localhost"))))
    now = datetime.datetime.now(datetime.UTC)
    validity = _sequence(
        *(
            _tagged(0x17, (now + datetime.timedelta(days=days)).strftime("%y%m%d%H%M%SZ").encode())
            for days in valid_days
        )
    )
    public = _sequence(
        _sequence(_oid(1, 2, 840, 113549, 1, 1, 1), _NULL),
        _bits(_sequence(_integer(key.n), _integer(_EXPONENT))),
    )
    serial = _integer(secrets.randbits(64))
    parts = [serial, algorithm, name, validity, name, public]
    if address is not None:
        # Version 3, for the extension; the addresses are 7 of the kinds of names.
        host = _sequence(_tagged(0x87, ipaddress.ip_address(address).packed))
        names = _sequence(_oid(2, 5, 29, 17), _tagged(0x04, host))
        parts = [_tagged(0xA0, _integer(2)), *parts, _tagged(0xA3, _sequence(names))]
    signed = _sequence(*parts)
    return _sequence(signed, algorithm, _bits(key.sign(signed)))


def _prime(bits: int) -> int:
    while True:
        n = secrets.randbits(bits) | (0b11 << (bits - 2)) | 1
        if all(n % small for small in _SMALL_PRIMES) and n % _EXPONENT != 1 and _is_prime(n):
            return n


def _is_prime(n: int, rounds: int = 20) -> bool:
    """Miller-Rabin."""
    shift = ((n - 1) & -(n - 1)).bit_length() - 1
    for _ in range(rounds):
        x = pow(secrets.randbelow(n - 3) + 2, (n - 1) >> shift, n)
        if x in {1, n - 1}:
            continue
        for _ in range(shift - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _integer(value: int) -> bytes:
    return _tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def _bits(content: bytes) -> bytes:
    return _tagged(0x03, b"\x00" + content)


def _oid(first: int, second: int, *rest: int) -> bytes:
    content = bytearray((40 * first + second,))
    for number in rest:
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(0x80 | (number & 0x7F))
        content += bytes(reversed(groups))
    return _tagged(0x06, bytes(content))


def _pem(label: str, der: bytes) -> str:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"
