-- KEYS: slot, counter, marker, waiting list
-- ARGV: nonce and holder, ttl ms, proposal, [waiter, ms waited so far,] run id
local call, run = redis.call, ARGV[#ARGV]
local found = call('MGET', KEYS[1], KEYS[2], KEYS[3])
local owner, marker = found[1], found[3]
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A server that lost its memory must not vote until every lease it may have forgotten has ended.
if marker ~= run .. ' 0' then
  local ready
  if marker and string.sub(marker, 1, #run + 1) == run .. ' ' then
    ready = tonumber(string.sub(marker, #run + 2))
  end
  if not ready then
    ready = now + QUARANTINE_MS
    call('SET', KEYS[3], run .. ' ' .. string.format('%.0f', ready))
  end
  if now < ready then
    return {'not_ready', ready - now}
  end
  -- For good: a clock that is set back later must not begin it again.
  call('SET', KEYS[3], run .. ' 0')
end

local proposal = tonumber(ARGV[3])
local lead = math.floor(proposal / 1000) - now
if lead > LEAD_MS then
  return {'ahead', lead}
end

local counter = tonumber(found[2] or 0)
local waiter = #ARGV > 4 and ARGV[4]
if owner then
  if owner == ARGV[1] then
    return counter
  end
  -- '~' and a waiter: nobody holds it, but the one who has waited longest goes first.
  if not waiter or owner ~= '~' .. waiter then
    if waiter then
      call('ZADD', KEYS[4], 'NX', now - tonumber(ARGV[5]), waiter)
      call('PEXPIRE', KEYS[4], 5000)
    end
    return {'denied', math.max(call('PTTL', KEYS[1]), 0), string.sub(owner, 1, 8)}
  end
end
if waiter then
  call('ZREM', KEYS[4], waiter)
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

local waiting = call('ZCARD', KEYS[4])
-- Handing over costs a switch of processes, so whoever comes by may go first for a while: the
-- longer, the more are waiting.
if waiting > 0 then
  local first = call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
  if now - tonumber(first[2]) >= DUE_MS * waiting then
    return {'granted', counter, first[1]}
  end
end
return counter
