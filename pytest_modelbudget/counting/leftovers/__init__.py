"""What outlives a count in the process, such as a mask in a cache of a module, is found and taken out again."""
