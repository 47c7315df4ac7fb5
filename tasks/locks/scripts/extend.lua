-- KEYS: slot, counter    ARGV: nonce and ' ', ttl ms, token
local found = redis.call('MGET', KEYS[1], KEYS[2])
local owner = found[1]
if owner and string.sub(owner, 2, #ARGV[1] + 1) ~= ARGV[1] then
  return 'lost'
end
local counter = math.max(tonumber(found[2] or '0'), tonumber(ARGV[3]))
redis.call('SET', KEYS[2], string.format('%.0f', counter), 'PX', RETENTION_MS)
redis.call('SET', KEYS[1], owner or ('.' .. ARGV[1]), 'PX', ARGV[2])
if owner then
  return 'held'
end
return 'replanted'
