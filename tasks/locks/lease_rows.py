"""The statements on ``tasks_lockfence``. Each is a transaction of its own.

``clock_timestamp()`` and not ``now()``: a statement that waited for the row must judge by the time
at which it got it. It is the server's clock everywhere, so the clocks of clients do not matter.
"""

SWEPT_AT_ONCE = 1000

# A held key is refused by the first look, without a write. Two who both saw it free meet at the
# row's lock: the second judges the row that the first has left. `owner = owner` is a request that
# arrived twice: it gets the same answer.
ACQUIRE = """
WITH granted AS (
    INSERT INTO tasks_lockfence AS row (name, owner, holder, token, expires_at)
    SELECT %(name)s, %(owner)s, %(holder)s,
           (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + %(lead)s,
           clock_timestamp() + %(ttl)s * interval '1 second'
     WHERE NOT EXISTS (
           SELECT FROM tasks_lockfence live
            WHERE live.name = %(name)s AND live.owner <> %(owner)s
              AND live.expires_at > clock_timestamp())
    ON CONFLICT (name) DO UPDATE
       SET owner = EXCLUDED.owner,
           holder = EXCLUDED.holder,
           token = CASE WHEN row.owner = EXCLUDED.owner THEN row.token
                        ELSE greatest(row.token + 1, EXCLUDED.token) END,
           expires_at = clock_timestamp() + %(ttl)s * interval '1 second'
     WHERE row.expires_at <= clock_timestamp() OR row.owner = EXCLUDED.owner
    RETURNING token
)
SELECT token, 0.0::float FROM granted
UNION ALL
SELECT NULL, extract(epoch FROM expires_at - clock_timestamp())::float
  FROM tasks_lockfence WHERE name = %(name)s AND NOT EXISTS (SELECT FROM granted)
"""

EXTEND = """
UPDATE tasks_lockfence SET expires_at = clock_timestamp() + %(ttl)s * interval '1 second'
 WHERE name = %(name)s AND owner = %(owner)s AND expires_at > clock_timestamp()
RETURNING token
"""

# A release that a crash forgets costs a wait for the TTL, nothing else: it need not reach the disk.
RELEASE = """
UPDATE tasks_lockfence SET owner = '', expires_at = clock_timestamp()
 WHERE name = %(name)s AND owner = %(owner)s AND expires_at > clock_timestamp()
RETURNING set_config('synchronous_commit', 'off', true)
"""

GIVE_BACK = """
UPDATE tasks_lockfence SET owner = '', expires_at = clock_timestamp()
 WHERE name = ANY(%(names)s) AND owner = ANY(%(owners)s)
RETURNING name
"""

# A lease cannot last longer than the longest TTL; one that does was written before the server's
# clock was set back, and would block its key for as long as that.
CUT_SHORT = """
UPDATE tasks_lockfence SET expires_at = clock_timestamp() + %(ttl)s * interval '1 second'
 WHERE name = %(name)s AND expires_at > clock_timestamp() + %(ttl)s * interval '1 second'
RETURNING token
"""

LOOK = """
SELECT coalesce(max(token) FILTER (WHERE name = %(name)s), 0),
       coalesce(max(extract(epoch FROM expires_at - clock_timestamp()))
                FILTER (WHERE name = %(name)s), 0)::float,
       coalesce(bool_or(expires_at > clock_timestamp()), false)
  FROM tasks_lockfence WHERE starts_with(name, %(prefix)s)
"""

LEASES = """
SELECT name, owner, token, extract(epoch FROM expires_at - clock_timestamp())::float, holder
  FROM tasks_lockfence
 WHERE starts_with(name, %(prefix)s) AND expires_at > clock_timestamp()
 ORDER BY name LIMIT %(limit)s
"""

SWEEP = """
DELETE FROM tasks_lockfence WHERE name IN (
    SELECT name FROM tasks_lockfence
     WHERE expires_at < clock_timestamp() - %(retention)s * interval '1 second'
     LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING name
"""
