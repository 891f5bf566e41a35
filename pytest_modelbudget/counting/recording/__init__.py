"""Recorders of a run: the dispatch mode that counts operators, the ledger of bytes, the training step, the course."""
