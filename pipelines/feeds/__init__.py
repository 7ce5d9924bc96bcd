"""What other programs show of a project: badges, calendars; each opened by a key that opens nothing else."""
