"""Login by an identity provider: OpenID Connect, code flow with PKCE, state and nonce.

Pure: `attempts.py` (what a browser carries), `metadata.py`, `keys.py`, `id_token.py`, `roles.py`.
`asking.py` does the requests, and the actor of `identity_provider.py` keeps what was learned.
"""
