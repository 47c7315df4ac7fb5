-- A ticket or grant ends. ARGV: person, nonce, became (free|sold|refused). 0: it had ended
-- before. Refused: the database had no unit for the grant; its person waits again, in front. A grant
-- that nobody came to write down leaves its person the place, as for all who do not ask any more.
if is_lost() then return 0 end
local person, became = ARGV[1], ARGV[3]
local nonce, place, _, written = ticket_of(person)
if nonce ~= ARGV[2] then return 0 end
redis.call('HDEL', tickets, person)
move_fact('held', -1)
move_fact(became == 'sold' and 'sold' or 'free', 1)
if became == 'sold' then return 1 end
use(person, -1)
if became == 'refused' then
  redis.call('HDEL', spent, person)
  redis.call('ZADD', line, place, person)
  redis.call('ZADD', seen, now_ms() + 1000, person)
else
  if written == '0' then
    redis.call('HDEL', spent, person)
    redis.call('HSET', parked, person, place)
  end
  turn_begins(now_ms())
end
return 1
