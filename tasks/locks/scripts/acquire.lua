-- KEYS: slot, counter, marker
-- ARGV: nonce, ttl ms, proposal, retention ms, run id, quarantine ms, largest lead of a proposal in ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A server that lost its memory must not vote until every lease it may have forgotten has ended.
local marker = redis.call('GET', KEYS[3])
local run, ready
if marker then
  run, ready = string.match(marker, '^(%S+) (%d+)$')
end
if run ~= ARGV[5] then
  ready = now + tonumber(ARGV[6])
  redis.call('SET', KEYS[3], ARGV[5] .. ' ' .. string.format('%.0f', ready))
end
if now < tonumber(ready) then
  return {'not_ready', tonumber(ready) - now}
end

local proposal = tonumber(ARGV[3])
local lead = math.floor(proposal / 1000) - now
if lead > tonumber(ARGV[7]) then
  return {'ahead', lead}
end

local owner = redis.call('GET', KEYS[1])
local counter = tonumber(redis.call('GET', KEYS[2]) or '0')
if owner == ARGV[1] then
  return {'granted', counter}
end
if owner then
  return {'denied', math.max(redis.call('PTTL', KEYS[1]), 0), string.sub(owner, 1, 8)}
end

counter = math.max(counter + 1, proposal)
-- The counter before the slot: no slot may ever stand beside an older counter.
redis.call('SET', KEYS[2], string.format('%.0f', counter), 'PX', ARGV[4])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'granted', counter}
