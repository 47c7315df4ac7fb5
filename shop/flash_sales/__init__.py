"""Flash sales: a crowd, few units, one instant. docs/flash-sales.md says who decides what."""
