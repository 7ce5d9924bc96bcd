"""Registries of images, and how we sign in to them."""
