CREATE TABLE IF NOT EXISTS movements (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    moved_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    kind TEXT NOT NULL CHECK (kind IN ('capture', 'refund')),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    currency TEXT NOT NULL,
    payment_intent TEXT NOT NULL,
    source TEXT NOT NULL UNIQUE,
    order_number TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    idempotency_key TEXT UNIQUE
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_capture_per_intent
    ON movements (payment_intent) WHERE kind = 'capture';
CREATE INDEX IF NOT EXISTS movements_of_intent ON movements (payment_intent);

CREATE TRIGGER IF NOT EXISTS a_movement_never_changes BEFORE UPDATE ON movements
BEGIN SELECT RAISE(ABORT, 'a movement never changes'); END;
CREATE TRIGGER IF NOT EXISTS a_movement_never_goes BEFORE DELETE ON movements
BEGIN SELECT RAISE(ABORT, 'a movement never goes'); END;
CREATE TRIGGER IF NOT EXISTS no_refund_beyond_the_capture BEFORE INSERT ON movements
WHEN NEW.kind = 'refund' AND NEW.amount_cents > (
    SELECT coalesce(sum(CASE kind WHEN 'capture' THEN amount_cents ELSE -amount_cents END), 0)
    FROM movements WHERE payment_intent = NEW.payment_intent
)
BEGIN SELECT RAISE(ABORT, 'a refund never exceeds what was captured'); END;

CREATE TABLE IF NOT EXISTS answers (
    idempotency_key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    request_id TEXT NOT NULL,
    kept_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE TABLE IF NOT EXISTS asks (
    idempotency_key TEXT PRIMARY KEY,
    times INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS objects (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    payment_intent TEXT,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, number);

-- Intents whose shopper has to answer first: the key under which the money was asked for, and where
-- the shopper came from.
CREATE TABLE IF NOT EXISTS challenges (
    payment_intent TEXT PRIMARY KEY,
    idempotency_key TEXT,
    return_url TEXT NOT NULL
) STRICT;

-- Refunds that were accepted and have not moved: what becomes of them, SANDBOX_SLOW_SECONDS later.
CREATE TABLE IF NOT EXISTS pending_refunds (
    refund TEXT PRIMARY KEY,
    outcome TEXT NOT NULL CHECK (outcome IN ('succeeded', 'failed')),
    idempotency_key TEXT,
    begun REAL NOT NULL
) STRICT;

-- What the shop is to be told, written with the movement that it tells of. It waits while 'ended'
-- is empty.
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    created REAL NOT NULL,
    body TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,
    ended TEXT CHECK (ended IN ('sent', 'given_up'))
) STRICT;
CREATE INDEX IF NOT EXISTS events_waiting ON events (due) WHERE ended IS NULL;
