-- KEYS: slot, counter, marker, waiting list
-- ARGV: '.', nonce and holder; ttl ms; proposal; [µs since when it waits; its entry;] run id and ' 0'
local call, known = redis.call, ARGV[#ARGV]
local found = call('MGET', KEYS[1], KEYS[2], KEYS[3])
local owner = found[1]
local time = call('TIME')
local now = time[1] * 1000 + time[2] / 1000

-- A server that lost its memory must not vote until every lease it may have forgotten has ended.
if found[3] ~= known then
  local run, ready = string.sub(known, 1, -2), nil
  if found[3] and string.sub(found[3], 1, #run) == run then
    ready = tonumber(string.sub(found[3], #run + 1))
  end
  if not ready then
    ready = math.floor(now) + QUARANTINE_MS
    call('SET', KEYS[3], run .. string.format('%.0f', ready))
  end
  if now < ready then
    return {'not_ready', math.ceil(ready - now)}
  end
  -- For good: a clock that is set back later must not begin it again.
  call('SET', KEYS[3], known)
end

local proposal = tonumber(ARGV[3])
local lead = proposal / 1000 - now
if lead > LEAD_MS then
  return {'ahead', math.floor(lead)}
end

local counter, waits = tonumber(found[2] or 0), #ARGV > 4
if owner then
  local nonce = string.match(ARGV[1], '^%S+ ', 2)
  if string.sub(owner, 2, #nonce + 1) == nonce then
    return counter
  end
  if waits then
    call('ZADD', KEYS[4], 'NX', ARGV[4], ARGV[5])
    call('PEXPIRE', KEYS[4], LIST_MS)
    if string.byte(owner) ~= 33 then
      -- '!': whoever releases it looks at the list.
      call('SET', KEYS[1], '!' .. string.sub(owner, 2), 'KEEPTTL')
    end
  end
  return {'denied', math.max(call('PTTL', KEYS[1]), 0), string.sub(owner, 2, 9)}
end
if waits then
  call('ZREM', KEYS[4], ARGV[5])
end

-- The counter before the slot: no slot may ever stand beside an older counter.
if counter < proposal then
  counter = proposal
  call('SET', KEYS[2], ARGV[3], 'PX', RETENTION_MS)
else
  counter = counter + 1
  call('SET', KEYS[2], string.format('%.0f', counter), 'PX', RETENTION_MS)
end
call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return counter
