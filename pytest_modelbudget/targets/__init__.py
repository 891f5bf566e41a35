"""TARGETs: models by name, the arguments of what builds them, and what they are usually given."""
