"""What happens next, and when: the doorbell of the queue that the database is."""
