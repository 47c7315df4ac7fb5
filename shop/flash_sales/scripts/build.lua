-- Build the gate from what the database says, in place of whatever is there. The line is kept if it
-- is still there. ARGV: n, then n pairs of facts; t, then t pairs person, ticket; u, then u pairs
-- person, units.
local index = 1
local function take()
  index = index + 1
  return ARGV[index - 1]
end
local given = fact('last_place')
redis.call('DEL', state, tickets, used)
for _ = 1, tonumber(take()) do
  local name, value = take(), take()
  redis.call('HSET', state, name, value)
end
if given > fact('last_place') then redis.call('HSET', state, 'last_place', given) end
for _ = 1, tonumber(take()) do
  local person, ticket = take(), take()
  redis.call('HSET', tickets, person, ticket)
  redis.call('ZREM', line, person)
end
for _ = 1, tonumber(take()) do
  local person, units = take(), take()
  redis.call('HSET', used, person, units)
end
redis.call('HSET', state, 'filled_at', now_ms(), 'tokens', fact('rate'))
return 1
