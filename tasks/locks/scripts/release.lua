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
if string.byte(owner) == 33 then
  local found = call('MGET', KEYS[2], KEYS[3])
  -- A node in quarantine gives nothing to anybody.
  local first = found[2] == ARGV[#ARGV] and call('ZPOPMIN', KEYS[4])[1]
  if first then
    local time = call('TIME')
    local now = time[1] * 1000 + time[2] / 1000
    local counter, proposal = tonumber(found[1] or 0), tonumber(ARGV[2])
    if proposal / 1000 - now > LEAD_MS then
      proposal = 0
    end
    repeat
      local last_ms, bell, ttl, own, value =
        string.match(first, '^(%d+) (%S+) (%d+) (%d+) (.*)$')
      if tonumber(last_ms) >= now then
        -- As if its ACQUIRE had come in now: the counter rises, then the slot changes hands.
        counter = math.max(counter + 1, proposal, tonumber(own))
        local text = string.format('%.0f', counter)
        call('SET', KEYS[2], text, 'PX', RETENTION_MS)
        -- '!': nobody has looked whether others wait.
        call('SET', KEYS[1], '!' .. value, 'PX', ttl)
        local heard = redis.pcall('PUBLISH', BELLS .. bell, text .. ' ' .. KEYS[1] .. ' ' .. value)
        if type(heard) == 'number' and heard > 0 then
          return 'released'
        end
        -- Nobody listens: the process that waited is gone.
      end
      first = call('ZPOPMIN', KEYS[4])[1]
    until not first
  end
end
call('DEL', KEYS[1])
return 'released'
