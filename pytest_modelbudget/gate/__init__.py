"""A budget held to a model: the settings of a run, and what it comes to. Knows neither pytest nor the command."""
