"""Told of changes: to whoever writes along with them, or looks at the rows again after the commit."""

from django.dispatch import Signal

# In the transaction, for what is to be written with it: an error undoes the change. Arguments as of the next.
recorded = Signal()

# After the commit, never before. transition: Transition, subject: the changed model instance
transitioned = Signal()

# After the commit. subject: a model instance of which something that people watch has changed, but not its status
progressed = Signal()
