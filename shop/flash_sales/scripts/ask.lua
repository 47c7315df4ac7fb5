-- A click, or a poll of somebody who has clicked.
-- ARGV: person, salt (random), joins (1: a click; 0: a poll), place (0, or one that was signed),
-- jitter (0 to 999), address, asks allowed per person, clicks allowed per address (0: any number)
-- KEYS 11 and 12: asks of this person, clicks from this address, in this window
local person, salt, joins, shown = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
local jitter, address = tonumber(ARGV[5]), ARGV[6]

if is_lost() then return {'lost'} end
local now = now_ms()

local WINDOW_MS = 10000
local function is_above(key, allowed)
  if allowed == 0 then return false end
  local asked = redis.call('INCR', key)
  if asked == 1 then redis.call('PEXPIRE', key, WINDOW_MS) end
  return asked > allowed
end

local function has_ticket()
  local nonce, place, since, written = ticket_of(person)
  if nonce then return answer(written == '1' and 'has_ticket' or 'ticket', nonce, place, 0, since) end
end

local function refuse(word, extra)
  if joins then count(word) end
  return answer(word, '', '0', 0, extra)
end

-- Whoever has a unit keeps it, whatever the sale does meanwhile.
local mine = has_ticket()
if mine then return mine end
if is_above(KEYS[11], tonumber(ARGV[7])) or (joins and is_above(KEYS[12], tonumber(ARGV[8]))) then
  count('rate')
  log_refusal('rate', person, address, now)
  return answer('rate')
end
local starts, ends, status = fact('starts_ms'), fact('ends_ms'), text_of('status')
if now < starts then return refuse('too_early', starts - now) end
if now >= ends or status == 'ended' then return refuse('too_late') end
if status == 'paused' then return refuse('paused') end
if fact('free') <= 0 and fact('held') <= 0 then return refuse('sold_out') end
if is_at_limit(person) then
  leave_line(person)
  return refuse('limit_reached')
end

-- When to ask again. A unit is given to who asks, so those who may be next ask about every second;
-- the many behind them must not keep the machine busy, which has orders to do: of ten thousand some
-- hundred ask in a second, of fifty thousand not many more.
local NEAR_MS, MOST_MS, MOST_BEHIND_MS = 750, 10000, 30000
-- No more are let through in a second than the rate says, and no more than there are units.
local NEAR_LEAST, NEAR_MOST = 20, 200
local near = math.min(fact('rate'), fact('free') + fact('held'), NEAR_MOST)
near = math.max(NEAR_LEAST, near)
local function ask_again_ms(before)
  local wait = NEAR_MS
  if before < fact('free') then
    wait = math.min(MOST_MS, before * 500 / math.max(1, fact('rate')))
  elseif before >= near then
    local most = math.max(MOST_BEHIND_MS, redis.call('ZCARD', line) * 2)
    wait = math.min(most, NEAR_MS + (before - near) * 30)
  end
  return math.floor(math.max(NEAR_MS, wait) * (1 + jitter / 4000))
end

-- First come, first served. But a unit does not lie there for longer than the first in line take to
-- ask again: then whoever of those near the head asks next has it, and the others keep their places.
local TURN_MS = 1200
local function may_have_unit(before, units)
  if units <= 0 then
    turn_ends()
    return false
  end
  if before < units then
    turn_ends()
    if units > 1 then turn_begins(now) end
    return true
  end
  turn_begins(now)
  if now - fact('turn_at') <= TURN_MS then return false end
  if before >= near then
    -- Whoever asks is there, however late.
    redis.call('ZADD', seen, now, person)
    park_late_heads(now)
    before = redis.call('ZRANK', line, person)
  end
  if before >= near then return false end
  if units == 1 then turn_ends() end
  return true
end

-- Nobody's turn comes while no unit is free, which is most of a sale: the crowd's poll ends early.
if fact('free') > 0 then park_sleepers(now) end
local place = redis.call('ZSCORE', line, person)
if not place then
  place = redis.call('HGET', parked, person)
  -- A place that was given before the gate was lost is the same place again, but not one that
  -- had its turn.
  if not place and shown > tonumber(redis.call('HGET', spent, person) or '0') then
    place = tostring(shown)
    if shown > fact('last_place') then set_fact('last_place', shown) end
  end
  if not place then
    if not joins then return answer('not_in_line') end
    place = tostring(move_fact('last_place', 1))
    count('entered')
  end
  redis.call('ZADD', line, place, person)
  redis.call('HDEL', parked, person)
end
local before, units = redis.call('ZRANK', line, person), ready_units(now)
if before >= units and units > 0 and before < near then
  for _, head in ipairs(redis.call('ZRANGE', line, 0, math.min(units, NEAR_LEAST) - 1)) do
    -- They got their units of another item meanwhile.
    if is_at_limit(head) then leave_line(head) end
  end
  before = redis.call('ZRANK', line, person)
end
if may_have_unit(before, units) then
  -- The nonce is made of the caller's salt, which is random, and the place, which is unique.
  grant(person, place, salt .. '-' .. place, now)
  return has_ticket()
end
local wait = ask_again_ms(before)
redis.call('ZADD', seen, now + wait, person)
return answer('in_line', '', place, before, wait)
