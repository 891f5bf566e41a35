"""What pytest sees: the hooks, the fixture, the gate and its settings."""
