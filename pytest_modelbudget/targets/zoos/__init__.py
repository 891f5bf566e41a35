"""What each prefix of this package finds. The packages they are named after are imported when they are asked for."""
