"""People told: what is said, how it is sent, and the announcer that drains the outbox."""
