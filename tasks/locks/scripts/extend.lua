-- KEYS: slot, counter    ARGV: nonce, ttl ms, token, retention ms
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  return {'lost'}
end
local counter = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[3]))
redis.call('SET', KEYS[2], string.format('%.0f', counter), 'PX', ARGV[4])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if owner then
  return {'held'}
end
return {'replanted'}
