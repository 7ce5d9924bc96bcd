"""Balancers: what sends users' requests to an environment's hosts."""
