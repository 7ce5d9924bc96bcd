"""Told of what became of a message, in the transaction in which it did."""

from django.dispatch import Signal

# message: the Message that will not be tried again
given_up = Signal()
