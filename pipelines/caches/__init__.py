"""What stages keep for later runs: caches, by project, scope, name and key."""
