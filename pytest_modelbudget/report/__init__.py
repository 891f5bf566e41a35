"""Rendering: plain results to text and pictures. Nothing here measures, judges or prints.

``parts`` are what several outputs share, ``formats`` the files a report of a run is written in. Beside them stands a
file for each thing a run says itself, and a folder for each command with more than one output.
"""
