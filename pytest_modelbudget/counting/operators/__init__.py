"""What each operator costs: formulas for those that compute, a list of those that are free, nothing in between."""
