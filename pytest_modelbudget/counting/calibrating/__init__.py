"""Calibrating the device at hand: small models are run on it, and what they took is fitted to what they do."""
