"""Containers that ran beside a stage, with a log of their own each."""
