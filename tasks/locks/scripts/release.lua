-- KEYS: slot    ARGV: nonce
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return {'released'}
end
return {'not_ours'}
