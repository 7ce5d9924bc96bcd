"""SSH: the seam to one machine, and paramiko behind it."""
