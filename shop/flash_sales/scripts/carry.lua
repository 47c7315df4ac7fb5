-- A visitor has signed in: their place becomes their account's. ARGV: visitor, account, place that
-- the visitor has shown signed (0: none). What leads to units is never doubled: the visitor's place
-- is spent by it, and of two places the better one stays.
-- {'left'}: no gate, or the visitor has a ticket or units, which stay theirs.
-- {'carried', the account's place, 0: none}
local visitor, account, shown = ARGV[1], ARGV[2], tonumber(ARGV[3])
if is_lost() then return {'left', '0'} end
if ticket_of(visitor) or redis.call('HEXISTS', used, visitor) == 1 then return {'left', '0'} end

local function place_of(person)
  local waits = redis.call('ZSCORE', line, person)
  return tonumber(waits or redis.call('HGET', parked, person)), waits ~= false
end

local place, waits = place_of(visitor)
local had_turn = tonumber(redis.call('HGET', spent, visitor) or '0')
if not place and shown > had_turn then
  place = shown
  if shown > fact('last_place') then set_fact('last_place', shown) end
end
local own, own_waits = place_of(account)
if place then
  local asks_at = tonumber(redis.call('ZSCORE', seen, visitor) or '0')
  leave_line(visitor)
  -- Their signed place must not bring them back.
  redis.call('HSET', spent, visitor, math.max(had_turn, place, shown))
  -- Whoever has a ticket has had their turn, and more than the limit is nobody's.
  if not ticket_of(account) and not is_at_limit(account) then
    own = math.min(place, own or place)
    if waits or own_waits then
      local own_asks_at = tonumber(redis.call('ZSCORE', seen, account) or '0')
      redis.call('ZADD', line, own, account)
      redis.call('ZADD', seen, math.max(asks_at, own_asks_at), account)
      redis.call('HDEL', parked, account)
    else
      redis.call('HSET', parked, account, own)
    end
  end
end
return {'carried', tostring(own or 0)}
