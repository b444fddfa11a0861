-- release(queue…; delay_ms, then id, token of each) -> numbers of those whose token is not current any more
--   Given back unstarted: the attempt is not counted, and the job is the next of its turn; or it waits.
local lost, delay_ms = {}, tonumber(ARGV[1])
for at = 2, #ARGV, 2 do
  local id = ARGV[at]
  if holds(id, ARGV[at + 1]) then
    end_lease(id)
    if redis.call('HINCRBY', attempts, id, -1) <= 0 then
      redis.call('HDEL', attempts, id)
    end
    if delay_ms <= 0 then
      make_ready(id, 'i', true)
    else
      if about then
        redis.call('HDEL', run, id)
      end
      make_delayed(id, 'i', delay_ms)
    end
  else
    lost[#lost + 1] = at / 2
  end
end
return lost
