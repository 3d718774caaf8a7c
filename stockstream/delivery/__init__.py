"""How a price reaches the sockets: subscriptions, frames, the broadcaster, sessions."""
