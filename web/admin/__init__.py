"""For operators: the admin page, its API, and the access to them."""
