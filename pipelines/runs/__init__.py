"""Events, runs, stages and their attempts."""
