"""Tests in a real browser; a package, so that fixtures of package scope end with it."""
