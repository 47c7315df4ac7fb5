-- A ticket that is in the database and that this gate does not know, since it was built in between.
-- ARGV: person, nonce, place. 0: no gate, or the person has a ticket here.
if is_lost() or ticket_of(ARGV[1]) then return 0 end
local person, place = ARGV[1], ARGV[3]
redis.call('HSET', tickets, person, ARGV[2] .. ':' .. place .. ':' .. now_ms() .. ':1')
redis.call('HSET', spent, person, place)
redis.call('HINCRBY', used, person, 1)
move_fact('free', -1)
move_fact('held', 1)
leave_line(person)
return 1
