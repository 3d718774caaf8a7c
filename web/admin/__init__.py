"""For operators: the admin page, its API, and who may use them."""
