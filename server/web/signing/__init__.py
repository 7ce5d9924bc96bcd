"""What stands behind signing in: who is let in by a code host, what is counted, noted and required."""
