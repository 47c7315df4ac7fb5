"""Kills while messages flow: processes die, a witness outside them counts what really happened."""
