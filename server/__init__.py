"""Speak: to people and to other machines. Decides nothing."""
