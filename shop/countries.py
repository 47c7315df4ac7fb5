"""Where we ship to: ISO 3166 alpha-2 code and name."""

COUNTRIES = (
    ("AT", "Austria"),
    ("BE", "Belgium"),
    ("DK", "Denmark"),
    ("FI", "Finland"),
    ("FR", "France"),
    ("DE", "Germany"),
    ("IE", "Ireland"),
    ("IT", "Italy"),
    ("LU", "Luxembourg"),
    ("NL", "Netherlands"),
    ("PT", "Portugal"),
    ("ES", "Spain"),
    ("SE", "Sweden"),
)
NAMES = dict(COUNTRIES)
