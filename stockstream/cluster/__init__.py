"""Several nodes: who is there, who fetches what, and the bus between them."""
