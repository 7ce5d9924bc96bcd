"""How long what happened is kept, what would go, and how it goes: by rule, in small portions."""
