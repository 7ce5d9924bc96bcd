"""Hosts: commands and files over SSH, and the story of one deploy."""
