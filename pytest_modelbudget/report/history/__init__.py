"""What ``modelbudget history`` shows: a baseline over commits, as a table and as a picture."""
