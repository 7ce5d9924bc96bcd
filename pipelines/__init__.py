"""Records: what should happen and what happened. Django ORM only."""
