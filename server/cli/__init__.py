"""The command line `slipway`: pipelines on a laptop, without a server."""
