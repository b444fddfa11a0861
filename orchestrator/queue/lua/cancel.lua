-- cancel(queue…; reason, then ids) -> how many of them were queued or in progress, and are skipped now
local ended_now = 0
for at = 2, #ARGV do
  local id = ARGV[at]
  local was = redis.call('HGET', state, id)
  if was == 'q' or was == 'i' then
    take_out(id)
    finish(id, was, 'skipped', ARGV[1])
    ended_now = ended_now + 1
  end
end
return ended_now
