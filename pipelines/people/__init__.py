"""What people and machines show instead of a password."""
