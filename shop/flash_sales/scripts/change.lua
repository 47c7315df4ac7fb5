-- Change facts of the sale without touching its units. ARGV: salt, name, value, … 0: no gate.
-- 'add_units' adds to what is free.
if redis.call('EXISTS', state) == 0 then return 0 end
for index = 2, #ARGV, 2 do
  if ARGV[index] == 'add_units' then
    redis.call('HINCRBY', state, 'free', ARGV[index + 1])
  else
    redis.call('HSET', state, ARGV[index], ARGV[index + 1])
  end
end
advance(now_ms(), ARGV[1])
return 1
