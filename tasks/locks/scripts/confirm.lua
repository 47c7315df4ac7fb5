-- KEYS: slot, counter    ARGV: nonce and ' ', token
-- Both conditions are needed: the slot alone, or the write alone, lets two holders get one token.
local token = tonumber(ARGV[2])
local owner = redis.call('GET', KEYS[1])
if not owner or string.sub(owner, 2, #ARGV[1] + 1) ~= ARGV[1] then
  return 'refused'
end
if tonumber(redis.call('GET', KEYS[2]) or '0') > token then
  return 'refused'
end
redis.call('SET', KEYS[2], string.format('%.0f', token), 'PX', RETENTION_MS)
return 'confirmed'
