"""Measuring: the only package that imports torch. It returns values; it knows no pytest and prints nothing."""
