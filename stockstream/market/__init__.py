"""Prices from outside: providers, their feeds and circuit breakers, and the streamer."""
