-- KEYS: waiting list    ARGV: waiter
redis.call('ZREM', KEYS[1], ARGV[1])
return 'withdrawn'
