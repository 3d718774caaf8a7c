"""Where the actors that others talk to stand in the tree. `application.py` builds it so."""

TELEMETRY = "telemetry"
PUBSUB = "pubsub"
POSTGRES = "database/postgres"
DATABASE = "database/gateway"
RECORDER = "history/recorder"
RETENTION = "history/retention"
STREAMER = "market/streamer"
FEEDS = "market/feeds"
SUBSCRIPTION_MANAGER = "delivery/subscription_manager"
BROADCASTER = "delivery/broadcaster"
SESSIONS = "delivery/sessions"
ALERTS = "alerts/watcher"
WEBHOOKS = "alerts/webhooks"
STUB = "stub"
WEB = "web"
CHAOS = "chaos"


def feed(upstream: str) -> str:
    """Who asks the upstream of that name for prices."""
    return f"{FEEDS}/{upstream}/feed"


def circuit_breaker(upstream: str) -> str:
    """Who permits that."""
    return f"{FEEDS}/{upstream}/circuit_breaker"
