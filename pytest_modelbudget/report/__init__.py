"""Rendering: each file turns plain results into one kind of text. Nothing here measures, judges or prints."""
