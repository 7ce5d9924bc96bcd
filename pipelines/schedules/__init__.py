"""Runs that the clock asks for."""
