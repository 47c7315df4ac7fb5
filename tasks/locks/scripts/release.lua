-- KEYS: slot, waiting list    ARGV: nonce
local owner = redis.call('GET', KEYS[1])
if not owner or string.sub(owner, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then
  return 'not_ours'
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if first[1] then
  local time = redis.call('TIME')
  local waited = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(first[2])
  -- Handing over costs a switch of processes, so whoever comes by may go first for a while; the
  -- more wait, the longer, so that all of them together get half of the time at worst.
  if waited >= 5 * redis.call('ZCARD', KEYS[2]) then
    redis.call('ZREM', KEYS[2], first[1])
    redis.call('SET', KEYS[1], '~' .. first[1], 'PX', 20)
    redis.pcall('PUBLISH', BELLS .. string.match(first[1], '^[^.]*'), first[1])
    return 'released'
  end
end
redis.call('DEL', KEYS[1])
return 'released'
