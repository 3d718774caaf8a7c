"""For persons: who the user of a request is."""
