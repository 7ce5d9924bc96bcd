"""The one language of this server."""
