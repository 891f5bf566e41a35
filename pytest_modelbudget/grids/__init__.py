"""Many operating points: axes, sweeps, and what fits."""
