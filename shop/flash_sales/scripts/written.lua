-- The grant's row is in the database: it is a ticket now. ARGV: person, nonce.
local nonce, place, since = ticket_of(ARGV[1])
if nonce ~= ARGV[2] then return 0 end
redis.call('HSET', tickets, ARGV[1], nonce .. ':' .. place .. ':' .. since .. ':1')
return 1
