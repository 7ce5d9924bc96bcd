"""Questions that a page asks and a control worker answers."""
