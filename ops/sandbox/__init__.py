"""A payment provider for development and tests: a small part of Stripe's HTTP API with books of its
own, which declines, dawdles, hangs up and forgets to answer when asked to (docs/payments.md)."""
