"""The pipeline file: bytes from a repository in, a checked value or a list of problems out. No Django here."""
