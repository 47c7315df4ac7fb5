-- Somebody was refused before the gate was asked. ARGV: reason, person, address.
count(ARGV[1])
log_refusal(ARGV[1], ARGV[2], ARGV[3], now_ms())
return 1
