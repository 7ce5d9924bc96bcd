"""Who performs jobs: the worker processes that are there, what they may be given, and which of them drain."""
