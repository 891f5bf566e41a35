"""The user's model: built, given its inputs, borrowed and given back, and the tree of its modules."""
