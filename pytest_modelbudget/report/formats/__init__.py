"""The formats of a report of a run: a file each, with ``render``, and a row each in the registry."""
