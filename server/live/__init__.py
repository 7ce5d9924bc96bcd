"""Browsers told that something has changed, and logs streamed to them."""
