"""Clouds: where an environment's hosts are listed."""
