"""For programs: the REST API, version 1, and its documentation."""
