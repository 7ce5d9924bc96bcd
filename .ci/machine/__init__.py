"""What Slipway needs of a machine, and how it gets there; standard library only."""
