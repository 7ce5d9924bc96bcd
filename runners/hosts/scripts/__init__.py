"""Pure: the POSIX sh that runs on hosts, and what it prints, read."""
