-- What the scripts of the gate share. Each is sent as this text followed by its own.
--
-- KEYS of one item of one sale, all with the sale's hash tag:
--   1 state    HASH  what the database said last, and what was given since
--   2 line     ZSET  person -> place, of those who wait
--   3 seen     ZSET  person -> when they were told to ask again (ms)
--   4 tickets  HASH  person -> nonce:place:since(ms):written(0|1)
--   5 used     HASH  person -> units of this sale, tickets and bought ones (shared by all items)
--   6 counts   HASH  answer -> how often
--   7 parked   HASH  person -> place, of those who waited and do not ask any more
--   8 spent    HASH  person -> their last place that led to a ticket: it leads to no second one
--   9 refusals LIST  the newest refusals: reason, person, address, when
--  10 own      HASH  person -> what of 'used' is of this item: 'used' is always the sum of these
--
-- Units: free + held + sold = units. The script only ever moves one from free to held and back.

local state, line, seen, tickets, used, counts, parked, spent, refusals, own = unpack(KEYS)

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- The facts are read at once when the first is asked for: each call from a script costs more than
-- all of them. Whoever changes one does it here, so that none is read twice or old.
local NAMES = {'free', 'held', 'sold', 'units', 'status', 'starts_ms', 'ends_ms', 'limit', 'rate',
               'tokens', 'filled_at', 'last_place', 'asleep_ms', 'turn_at'}
local facts = nil

local function text_of(name)
  if not facts then
    facts = {}
    for index, value in ipairs(redis.call('HMGET', state, unpack(NAMES))) do
      facts[NAMES[index]] = value
    end
  end
  return facts[name]
end

-- 0 for what is not there.
local function fact(name)
  return tonumber(text_of(name) or '0')
end

local function is_lost()
  return not text_of('status')
end

local function set_fact(name, value)
  text_of(name)
  redis.call('HSET', state, name, value)
  facts[name] = tostring(value)
end

local function move_fact(name, by)
  text_of(name)
  facts[name] = redis.call('HINCRBY', state, name, by)
  return facts[name]
end

local function count(answer)
  redis.call('HINCRBY', counts, answer, 1)
end

-- The log of refusals is for people: the newest of them are enough.
local KEPT_REFUSALS = 500
local function log_refusal(reason, person, address, now)
  redis.call('LPUSH', refusals, cjson.encode({reason, person, address, now}))
  redis.call('LTRIM', refusals, 0, KEPT_REFUSALS - 1)
end

-- Let people through at the sale's rate: a bucket of one second, filled by the clock.
local function refill(now)
  local rate, filled_at = fact('rate'), fact('filled_at')
  local tokens = fact('tokens')
  if now > filled_at then
    tokens = math.min(rate, tokens + (now - filled_at) * rate / 1000)
    set_fact('filled_at', now)
  end
  return tokens
end

local function is_at_limit(person)
  return tonumber(redis.call('HGET', used, person) or '0') >= fact('limit')
end

local function leave_line(person)
  redis.call('ZREM', line, person)
  redis.call('ZREM', seen, person)
  redis.call('HDEL', parked, person)
end

local function use(person, units)
  for _, key in ipairs({used, own}) do
    if redis.call('HINCRBY', key, person, units) <= 0 then redis.call('HDEL', key, person) end
  end
end

local function grant(person, place, nonce, now)
  redis.call('HSET', tickets, person, nonce .. ':' .. place .. ':' .. now .. ':0')
  -- A place that was carried over may be before one that had its turn.
  local had_turn = tonumber(redis.call('HGET', spent, person) or '0')
  redis.call('HSET', spent, person, math.max(had_turn, tonumber(place)))
  use(person, 1)
  move_fact('free', -1)
  move_fact('held', 1)
  set_fact('tokens', tostring(fact('tokens') - 1))
  leave_line(person)
  count('ticket')
end

-- Whoever does not ask any more keeps the place, but outside the line: nobody waits for a closed
-- laptop, and a thousand of them do not stand in the way of one who is there.
local function park(person)
  local place = redis.call('ZSCORE', line, person)
  leave_line(person)
  if place then redis.call('HSET', parked, person, place) end
end

-- Those of the whole line who are very late; a slow server makes everybody a little late.
local PARK_AT_MOST, VERY_LATE = 500, 10
local function park_sleepers(now)
  local since = '(' .. (now - VERY_LATE * fact('asleep_ms'))
  local late = redis.call('ZRANGEBYSCORE', seen, '-inf', since, 'LIMIT', 0, PARK_AT_MOST)
  for _, person in ipairs(late) do park(person) end
end

-- Those at the head for whom a unit waits.
local LOOK_AT_MOST = 200
local function park_late_heads(now)
  local heads, asleep = redis.call('ZRANGE', line, 0, LOOK_AT_MOST - 1), fact('asleep_ms')
  for _, person in ipairs(heads) do
    if now - tonumber(redis.call('ZSCORE', seen, person) or '0') > asleep then park(person) end
  end
end

-- Units that may be given now: free ones, as many as the rate lets through.
local function ready_units(now)
  local free = fact('free')
  if free <= 0 or text_of('status') ~= 'open' then return 0 end
  if now < fact('starts_ms') or now >= fact('ends_ms') then return 0 end
  local tokens = refill(now)
  set_fact('tokens', tostring(tokens))
  return math.min(free, math.floor(tokens))
end

-- A unit is never kept for somebody who is not there: it is given when its person asks. The first in
-- line have their turn from this moment on; see ask.lua for who is next when they do not come.
local function turn_begins(now)
  if fact('turn_at') == 0 then set_fact('turn_at', now) end
end

local function turn_ends()
  if fact('turn_at') ~= 0 then set_fact('turn_at', 0) end
end

-- nonce, place, since (ms), written; nil when the person has no ticket.
local function ticket_of(person)
  local found = redis.call('HGET', tickets, person)
  if not found then return nil end
  return string.match(found, '^(.+):(%d+):(%d+):(%d)$')
end

-- {answer, nonce, place, waiting before, free, held, extra}
local function answer(word, nonce, place, before, extra)
  return {word, nonce or '', place or '0', tostring(before or 0),
          tostring(fact('free')), tostring(fact('held')), tostring(extra or 0)}
end
