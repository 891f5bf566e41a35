"""What ``modelbudget sweep`` writes: its cells in files, and its picture, a file for each panel."""
