"""The paths of the actors that others talk to. `application.py` builds the tree accordingly."""

TELEMETRY = "telemetry"
SECRETS = "secrets"
NOTICES = "notices"
PUBSUB = "pubsub"
BUS = "cluster/bus"
MEMBERSHIP = "cluster/membership"
POSTGRES = "database/postgres"
DATABASE = "database/gateway"
DOORKEEPER = "users/doorkeeper"
AUDIT = "users/audit"
RECORDER = "history/recorder"
ROLL_UPS = "history/roll_ups"
RETENTION = "history/retention"
PURGE = "history/purge"
BACKUPS = "history/backups"
BACKUP_NOTES = "history/backup_notes"
LOG_ARCHIVE = "history/log_archive"
FIRST_PRICES = "history/first_prices"
ROUTER = "market/router"
STREAMER = "market/streamer"
FEEDS = "market/feeds"
SUBSCRIPTION_MANAGER = "delivery/subscription_manager"
BROADCASTER = "delivery/broadcaster"
SESSIONS = "delivery/sessions"
ALERTS = "alerts/watcher"
WEBHOOKS = "alerts/webhooks"
MAILER = "alerts/mailer"
IDENTITY_PROVIDER = "users/identity_provider"
STUB = "stub"
_JOBS_ELSEWHERE = {"webhooks": "alerts/due_webhooks", "mail": "alerts/due_mail"}
WEB = "web"
CHAOS = "chaos"


def feed(upstream: str) -> str:
    """The feed of the upstream of that name, or of a row that it has of another node's feed."""
    return f"{FEEDS}/{upstream.partition('@')[0]}/feed"


def circuit_breaker(upstream: str) -> str:
    """The circuit breaker of that feed."""
    return f"{FEEDS}/{upstream}/circuit_breaker"


def job(name: str) -> str:
    """The actor that runs the job of that name."""
    return _JOBS_ELSEWHERE.get(name, f"history/{name}")
