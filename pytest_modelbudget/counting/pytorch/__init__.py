"""PyTorch itself: its releases, what differs between them, and its private names, which are reached here alone."""
