"""The schema's versions, one module each; Alembic finds them by their files."""
