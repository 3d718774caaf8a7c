"""The simulation: the real actors of whole nodes in virtual time, with troubles, from one seed.

`python -m tests.simulation --help` says how to run it; ADR 0226 says why it is made this way.
"""
