"""The only place a status is written."""
