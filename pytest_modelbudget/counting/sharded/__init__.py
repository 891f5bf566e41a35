"""Sharded models: the process group that they are in, what their collectives send, and how they are parallelised.

Only what a sharded model needs imports the files of this folder, since they import DTensor and FSDP.
"""
