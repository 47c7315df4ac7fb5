-- Change facts of the sale, and let those out of the line who do not ask any more.
-- ARGV: name, value, … 0: no gate.
-- 'units' moves what is free by the difference to the units known so far, so that twice is once;
-- 'add_units' adds to what is free.
if is_lost() then return 0 end
for index = 1, #ARGV, 2 do
  local name, value = ARGV[index], ARGV[index + 1]
  if name == 'units' then
    move_fact('free', tonumber(value) - fact('units'))
  end
  if name == 'add_units' then
    move_fact('free', value)
  else
    set_fact(name, value)
  end
end
park_sleepers(now_ms())
return 1
