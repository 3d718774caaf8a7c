"""Command groups of the `stockstream` program, one module each."""
