"""What PostgreSQL says about waiting while the load lasts."""

import threading

import psycopg2

_EVERY_SECONDS = 0.05
_LONGEST = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0), count(*)
FROM pg_locks WHERE NOT granted AND waitstart IS NOT NULL
"""
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


class Watch:
    """``longest_seconds`` is the longest lock wait seen, ``most`` the most that waited at once."""

    def __init__(self, database_url: str) -> None:
        self.longest_seconds = 0.0
        self.most = 0
        self.looks = 0
        self._database_url = database_url

    def run(self, stop: threading.Event) -> None:
        connection = psycopg2.connect(self._database_url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not stop.wait(_EVERY_SECONDS):
                cursor.execute(_LONGEST)
                seconds, waiting = cursor.fetchone() or (0, 0)
                self.longest_seconds = max(self.longest_seconds, float(seconds))
                self.most = max(self.most, waiting)
                self.looks += 1
        connection.close()

    def deadlocks(self) -> int:
        with psycopg2.connect(self._database_url) as connection, connection.cursor() as cursor:
            cursor.execute(_DEADLOCKS)
            (number,) = cursor.fetchone() or (0,)
        connection.close()
        return int(number)
