"""The user's model: built, given its inputs, borrowed and given back, and its tree of modules."""
