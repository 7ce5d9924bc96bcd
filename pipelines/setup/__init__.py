"""Setting a project up: what is done once, and how far it has come."""
