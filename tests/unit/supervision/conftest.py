"""The fixtures of the conformance tests, which describe the runtime as a whole, serve here too."""

from tests.conformance.conftest import probe, pytest_collection_modifyitems, start

__all__ = ["probe", "pytest_collection_modifyitems", "start"]
