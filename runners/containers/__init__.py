"""Containers: the seam, Docker behind it, and the story of one stage."""
