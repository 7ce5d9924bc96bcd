"""Screens on walls: browsers that show how projects stand, and may do nothing else."""
