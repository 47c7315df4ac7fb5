"""What an order's page tells: pure functions over the order and its prefetched rows."""
