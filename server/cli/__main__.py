"""`python -m server.cli` where the package is not installed."""

from server.cli.main import main

main()
