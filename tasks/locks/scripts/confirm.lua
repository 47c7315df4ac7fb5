-- KEYS: slot, counter    ARGV: nonce, token, retention ms
-- Both conditions are needed: the slot alone, or the write alone, lets two holders get one token.
local token = tonumber(ARGV[2])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'refused'}
end
if tonumber(redis.call('GET', KEYS[2]) or '0') > token then
  return {'refused'}
end
redis.call('SET', KEYS[2], string.format('%.0f', token), 'PX', ARGV[3])
return {'confirmed'}
