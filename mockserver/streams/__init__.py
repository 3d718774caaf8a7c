"""Plays tapes: what a provider that pushes prices says over WebSocket, and when."""
