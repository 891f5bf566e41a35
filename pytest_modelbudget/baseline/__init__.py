"""The baseline: what every model cost when it was last accepted, in a file that is reviewed."""
