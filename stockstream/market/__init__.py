"""Prices from outside: providers, their parser, the circuit breaker and the streamer."""
