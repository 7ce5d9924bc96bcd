"""Code hosts: webhooks in, commit statuses out."""
