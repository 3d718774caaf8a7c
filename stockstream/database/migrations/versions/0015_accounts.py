"""Accounts: people, their sessions, API tokens and tickets, and the audit of what operators do."""

from alembic import op

revision = "0015"
down_revision = "0014"

TABLES = ("operator_audit", "user_tickets", "user_tokens", "user_sessions", "user_accounts")


def upgrade() -> None:
    """Make the tables. Of a session, a token and a ticket only the SHA-256 is stored."""
    op.execute(
        """
        CREATE TABLE user_accounts (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text NOT NULL CHECK (name <> ''),
            role text NOT NULL CHECK (role IN ('viewer', 'operator', 'chaos', 'admin')),
            password_hash text,
            password_number integer NOT NULL DEFAULT 0,
            must_change boolean NOT NULL DEFAULT false,
            issuer text,
            subject text,
            created_at timestamptz NOT NULL DEFAULT now(),
            changed_at timestamptz NOT NULL DEFAULT now(),
            disabled_at timestamptz,
            CHECK ((issuer IS NULL) = (subject IS NULL))
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX user_accounts_by_name ON user_accounts (lower(name))")
    op.execute("CREATE UNIQUE INDEX user_accounts_by_subject ON user_accounts (issuer, subject)")
    op.execute(
        """
        CREATE TABLE user_sessions (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
            account_id bigint NOT NULL REFERENCES user_accounts ON DELETE CASCADE,
            how text NOT NULL CHECK (how IN ('password', 'oidc')),
            created_at timestamptz NOT NULL DEFAULT now(),
            seen_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            ended_at timestamptz,
            address text NOT NULL,
            agent text NOT NULL
        )
        """
    )
    op.execute(
        "CREATE INDEX user_sessions_by_account ON user_sessions (account_id) WHERE ended_at IS NULL"
    )
    op.execute("CREATE INDEX user_sessions_by_end ON user_sessions (expires_at)")
    op.execute(
        """
        CREATE TABLE user_tokens (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            key text NOT NULL UNIQUE,
            digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
            account_id bigint NOT NULL REFERENCES user_accounts ON DELETE CASCADE,
            name text NOT NULL CHECK (name <> ''),
            scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
            created_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            revoked_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX user_tokens_by_account ON user_tokens (account_id)")
    op.execute(
        """
        CREATE TABLE user_tickets (
            digest bytea PRIMARY KEY CHECK (length(digest) = 32),
            session_id bigint REFERENCES user_sessions ON DELETE CASCADE,
            token_id bigint REFERENCES user_tokens ON DELETE CASCADE,
            expires_at timestamptz NOT NULL,
            CHECK ((session_id IS NULL) <> (token_id IS NULL))
        )
        """
    )
    op.execute(
        """
        CREATE TABLE operator_audit (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            key text NOT NULL UNIQUE,
            at timestamptz(3) NOT NULL DEFAULT now(),
            who text NOT NULL,
            account_id bigint,
            credential text NOT NULL,
            address text NOT NULL,
            node text NOT NULL,
            action text NOT NULL,
            target text,
            before jsonb,
            after jsonb,
            outcome text NOT NULL,
            correlation_id text
        )
        """
    )
    op.execute("CREATE INDEX operator_audit_by_time ON operator_audit (at)")


def downgrade() -> None:
    """Drop them."""
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
