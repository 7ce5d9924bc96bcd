"""What Prometheus is told: read from the records when it asks."""
