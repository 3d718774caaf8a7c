"""Any JSON API by a declaration: what is asked, and where in the answer the prices are."""
