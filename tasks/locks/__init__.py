"""Locks with an end and a fencing token, over independent nodes. See docs/locking.md."""
