-- KEYS: marker    ARGV: run id
-- SET NX: a client that came first has started the quarantine, and then it stands.
if redis.call('SET', KEYS[1], ARGV[1] .. ' 0', 'NX') then
  return {'marked'}
end
return {'known'}
