"""Told after the commit: a log has more bytes, or its end."""

from django.dispatch import Signal

# log_id: int, size: int (bytes stored), closed: bool
appended = Signal()
