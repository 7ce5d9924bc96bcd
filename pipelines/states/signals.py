"""Told after the commit, never before: look at the rows again."""

from django.dispatch import Signal

# transition: Transition, subject: the changed model instance
transitioned = Signal()

# subject: a model instance of which something that people watch has changed, but not its status
progressed = Signal()
