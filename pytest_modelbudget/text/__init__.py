"""What text is: quantities, lines, files, JSON. Nothing here knows a model."""
