"""The stub price API: WireMock stub mappings, served by Quart-Trio."""
