"""Projects, their members and their secrets."""
