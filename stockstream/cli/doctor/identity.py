"""The check of the identity provider: whether people could log in by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.cli.doctor.findings import failed, ok
from stockstream.proxies import InvalidProxy
from stockstream.users.oidc.asking import ProviderAway, fetch_keys, fetch_metadata, opened_client
from stockstream.users.oidc.metadata import ProviderMistake

if TYPE_CHECKING:
    from stockstream.cli.doctor.findings import Finding


async def look_at_issuer(issuer: str) -> Finding:
    """Read what it says of itself, and its keys. Whether it knows us only a login shows."""
    try:
        async with opened_client(issuer) as client:
            metadata = await fetch_metadata(client, issuer)
            keys = await fetch_keys(client, metadata)
    except InvalidProxy as error:
        return failed(str(error), "correct the variable, or name the provider's host in NO_PROXY")
    except ProviderAway as error:
        return failed(f"{issuer}: {error}", "see whether it is reached from here")
    except ProviderMistake as error:
        return failed(
            f"{issuer}: {error}", "correct OIDC_ISSUER: docs/accounts.md has that of each kind"
        )
    signing = ", ".join(sorted(metadata.algorithms))
    count = "1 key" if len(keys.keys) == 1 else f"{len(keys.keys)} keys"
    return ok(f"{issuer} signs by {signing}, {count}")
