"""The documentation as a site: what is made for it, what is checked of it. `make docs` runs it."""
