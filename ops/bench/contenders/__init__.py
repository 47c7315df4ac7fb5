"""What is measured, each behind the same few calls.

The modules for other people's packages run in environments of their own, with other versions of
redis-py and without Django: they and ``base`` import nothing of this project but each other.
"""
