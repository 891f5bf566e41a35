"""Budgets and verdicts: what a cost may be, how it compares with what it was, why it grew, what would fit."""
