"""What is sent piece by piece, to browsers and to programs: logs, artifacts, the audit."""
