"""What is noted while a model runs: its operator calls, the bytes alive, the steps of training."""
