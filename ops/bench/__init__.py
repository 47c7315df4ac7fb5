"""Measurements against what others offer, on private servers: ``./dev bench``."""
