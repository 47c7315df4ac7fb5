-- KEYS: slot, counter, marker, waiting list
-- ARGV: nonce and ' '; proposal for whoever is next; [our entry in the list;] run id and ' 0'
local call = redis.call
local owner = call('GET', KEYS[1])
if ARGV[4] then
  -- We may stand in the list although we had the lease: a majority was enough for that.
  call('ZREM', KEYS[4], ARGV[3])
end
if not owner or string.sub(owner, 2, #ARGV[1] + 1) ~= ARGV[1] then
  return 'not_ours'
end
-- A node in quarantine gives nothing to anybody.
if string.byte(owner) == 33 and call('GET', KEYS[3]) == ARGV[#ARGV] then
  local time = call('TIME')
  local now = time[1] * 1000 + time[2] / 1000
  local proposal = tonumber(ARGV[2])
  if proposal / 1000 - now > LEAD_MS then
    proposal = 0
  end
  local first = call('ZRANGE', KEYS[4], 0, 0)[1]
  while first do
    call('ZREM', KEYS[4], first)
    local last_ms, bell, ttl, value = string.match(first, '^(%d+) (%S+) (%d+) (.*)$')
    if tonumber(last_ms) >= now then
      -- As if its ACQUIRE had come in now: the counter rises, then the slot changes hands.
      local counter = math.max(tonumber(call('GET', KEYS[2]) or 0) + 1, proposal)
      local text = string.format('%.0f', counter)
      local more = call('ZCARD', KEYS[4]) > 0
      call('SET', KEYS[2], text, 'PX', RETENTION_MS)
      call('SET', KEYS[1], (more and '!' or '.') .. value, 'PX', ttl)
      local heard = redis.pcall('PUBLISH', BELLS .. bell, text .. ' ' .. KEYS[1] .. ' ' .. value)
      if type(heard) == 'number' and heard > 0 then
        return 'released'
      end
      -- Nobody listens: the process that waited is gone.
    end
    first = call('ZRANGE', KEYS[4], 0, 0)[1]
  end
end
call('DEL', KEYS[1])
return 'released'
