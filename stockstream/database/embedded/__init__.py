"""The embedded PostgreSQL: its files and programs, its process, the actor that owns it."""
