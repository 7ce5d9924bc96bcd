"""Copies of the whole record: database and storage, with a list of hashes; the keys that open them go elsewhere."""
