"""The life of orders under random sequences of actions, against a model of the bank."""
