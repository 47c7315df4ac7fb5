-- A click, or a poll of somebody who has clicked.
-- ARGV: person, salt (random), joins (1: a click; 0: a poll), place (0, or one that was signed)
local person, salt, joins, shown = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])

if redis.call('EXISTS', state) == 0 then return {'lost'} end
local now = now_ms()

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
local starts, ends = fact('starts_ms'), fact('ends_ms')
if now < starts then return refuse('too_early', starts - now) end
if now >= ends or redis.call('HGET', state, 'status') == 'ended' then return refuse('too_late') end
if redis.call('HGET', state, 'status') == 'paused' then return refuse('paused') end
if fact('free') == 0 and fact('held') == 0 then return refuse('sold_out') end
if tonumber(redis.call('HGET', used, person) or '0') >= fact('limit') then
  return refuse('limit_reached')
end

local place = redis.call('ZSCORE', line, person)
if not place then
  if not joins and shown == 0 then return refuse('not_in_line') end
  -- A place that was given before the gate was lost is the same place again.
  place = shown > 0 and shown or redis.call('HINCRBY', state, 'last_place', 1)
  if shown > fact('last_place') then redis.call('HSET', state, 'last_place', shown) end
  redis.call('ZADD', line, place, person)
  count('entered')
end
redis.call('ZADD', seen, now, person)
advance(now, salt)
mine = has_ticket()
if mine then return mine end
return answer('in_line', '', tostring(place), redis.call('ZRANK', line, person))
