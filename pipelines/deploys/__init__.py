"""Environments, hosts, releases and deploys."""
