"""What ``modelbudget diff`` prints: two files of costs side by side, a file for each format."""
