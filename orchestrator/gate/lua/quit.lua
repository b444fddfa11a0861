-- quit(state, slots, line, alive[, those of the host]; holder, slots, host_slots, channel) -> ''
-- Whatever the holder had, its place in line or a slot whose answer was lost, is free for others.
local holder = ARGV[1]
for at = 2, #KEYS do
  if at ~= 5 then
    redis.call('ZREM', KEYS[at], holder)
  end
end
call_next(KEYS[2], KEYS[3], KEYS[4], tonumber(ARGV[2]), ARGV[4])
if #KEYS > 4 then
  call_next(KEYS[6], KEYS[7], KEYS[8], tonumber(ARGV[3]), ARGV[4])
end
return ''
