"""The commands that speak with a server."""
