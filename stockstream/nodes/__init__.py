"""Several nodes on one machine: their parent, and what a node takes over from it.

The parent opens the port and starts each server once: the stub API, PostgreSQL, NATS. Its nodes are
processes of their own that accept on its listening sockets. It serves nobody itself.
"""
