-- A ticket or grant ends. ARGV: person, nonce, became (free|sold), salt. 0: it had ended before.
if redis.call('EXISTS', state) == 0 then return 0 end
local nonce = ticket_of(ARGV[1])
if nonce ~= ARGV[2] then return 0 end
redis.call('HDEL', tickets, ARGV[1])
redis.call('HINCRBY', state, 'held', -1)
redis.call('HINCRBY', state, ARGV[3], 1)
if ARGV[3] == 'free' then
  redis.call('HINCRBY', used, ARGV[1], -1)
  advance(now_ms(), ARGV[4])
end
return 1
