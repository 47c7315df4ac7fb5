"""``python -m ops``, which ``./dev`` runs."""

import sys

from ops.cli import main

sys.exit(main(sys.argv[1:]))
