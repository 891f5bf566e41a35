"""Limits where people wrote them, in Python and TOML files: found, and written anew with nothing else changed."""
