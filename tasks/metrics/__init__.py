"""What the platform counts and shows to Prometheus.

Two kinds of numbers. What *happened* is counted by the process it happened in (``meter``), written
into the folder that all processes of a machine share, and added up by the page. What *is* now is
asked of its owner when the page is drawn (``sources``): the database, the broker, all others that
register.
"""
