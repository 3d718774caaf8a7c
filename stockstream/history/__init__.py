"""History: what is stored of the prices, and what is worked out from it."""
