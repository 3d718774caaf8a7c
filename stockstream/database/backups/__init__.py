"""Backups in a folder: made, listed, kept, proved, restored."""
