-- KEYS: slot, waiting list    ARGV: nonce[, our name as a waiter, the waiter who is next]
local owner = redis.call('GET', KEYS[1])
local ours = owner and string.sub(owner, 1, #ARGV[1] + 1) == ARGV[1] .. ' '
local next = ARGV[3]
if ARGV[2] then
  -- A late denial may have put us on the list after we had the lease.
  redis.call('ZREM', KEYS[2], ARGV[2], next)
end
if not ours then
  return 'not_ours'
end
if next and next ~= '' then
  -- All nodes keep the key free for the same waiter for a moment.
  redis.call('SET', KEYS[1], '~' .. next, 'PX', 20)
else
  redis.call('DEL', KEYS[1])
  local waiting = redis.call('ZCARD', KEYS[2])
  if waiting > 0 then
    local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
    local time = redis.call('TIME')
    local waited = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(first[2])
    if waited >= DUE_MS * waiting then
      next = first[1]
    end
  end
end
if next and next ~= '' then
  redis.pcall('PUBLISH', BELLS .. string.match(next, '^[^.]*'), next)
end
return 'released'
