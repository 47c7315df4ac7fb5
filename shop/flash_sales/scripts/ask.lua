-- A click, or a poll of somebody who has clicked.
-- ARGV: person, salt (random), joins (1: a click; 0: a poll), place (0, or one that was signed),
-- jitter (0 to 999), address, asks allowed per person, clicks allowed per address (0: any number)
-- KEYS 10 and 11: asks of this person, clicks from this address, in this window
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
if is_above(KEYS[10], tonumber(ARGV[7])) or (joins and is_above(KEYS[11], tonumber(ARGV[8]))) then
  count('rate')
  log_refusal('rate', person, address, now)
  return answer('rate')
end
local starts, ends, status = fact('starts_ms'), fact('ends_ms'), text_of('status')
if now < starts then return refuse('too_early', starts - now) end
if now >= ends or status == 'ended' then return refuse('too_late') end
if status == 'paused' then return refuse('paused') end
if fact('free') <= 0 and fact('held') <= 0 then return refuse('sold_out') end
if is_at_limit(person) then return refuse('limit_reached') end

-- When to ask again: those who may be let through soon must be there to take it, and the many
-- behind them must not keep the machine busy: together they ask about a thousand times a second.
local MOST_MS, MOST_BEHIND_MS = 3000, 30000
local function ask_again_ms(before)
  local free, wait = fact('free'), nil
  if before < free then
    wait = math.min(MOST_MS, before * 500 / math.max(1, fact('rate')))
  elseif before < free + fact('held') then
    wait = math.min(MOST_MS, (before - free) * 20)
  else
    wait = math.min(MOST_BEHIND_MS, math.max(MOST_MS, before))
  end
  return math.floor(math.max(1000, wait) * (1 + jitter / 4000))
end

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
-- Nobody's turn comes while no unit is free, which is most of a sale: the crowd's poll ends early.
if fact('free') > 0 then
  redis.call('ZADD', seen, now, person)
  advance(now, salt)
  mine = has_ticket()
  if mine then return mine end
end
local before = redis.call('ZRANK', line, person)
if not before then return refuse('limit_reached') end
local wait = ask_again_ms(before)
redis.call('ZADD', seen, now + wait, person)
return answer('in_line', '', place, before, wait)
