-- Build the gate from what the database says, in place of whatever is there. What only the gate
-- can know is kept if it is still there: who waits, and grants that are being written down.
-- ARGV: n, then n pairs of facts; t, then t pairs person, ticket; u, then u pairs person, units;
-- s, then s pairs person, their last place that led to a ticket.
local index = 1
local function each_pair(act)
  local pairs_left = tonumber(ARGV[index])
  index = index + 1
  for _ = 1, pairs_left do
    act(ARGV[index], ARGV[index + 1])
    index = index + 2
  end
end

local given = fact('last_place')
local known = redis.call('HGETALL', tickets)
redis.call('DEL', state, tickets, used)
facts = {}
each_pair(set_fact)
if given > fact('last_place') then set_fact('last_place', given) end
each_pair(function(person, ticket)
  redis.call('HSET', tickets, person, ticket)
  leave_line(person)
end)
each_pair(function(person, units) redis.call('HSET', used, person, units) end)
each_pair(function(person, place) redis.call('HSET', spent, person, place) end)
for at = 1, #known, 2 do
  local person, ticket = known[at], known[at + 1]
  local is_unwritten = string.sub(ticket, -2) == ':0'
  if is_unwritten and redis.call('HSETNX', tickets, person, ticket) == 1 then
    redis.call('HINCRBY', used, person, 1)
    move_fact('free', -1)
    move_fact('held', 1)
  end
end
set_fact('filled_at', now_ms())
set_fact('tokens', fact('rate'))
return 1
