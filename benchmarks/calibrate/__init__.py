"""Fits the calibration of `pytest_modelbudget` to public measurements, and shows how far off predictions are."""
