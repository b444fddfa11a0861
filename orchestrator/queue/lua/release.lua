-- release(queue…; id, token of each) -> ids whose token is not current any more
--   Given back unstarted: the attempt is not counted, and the job is the next of its priority.
local lost = {}
for at = 1, #ARGV, 2 do
  local id = ARGV[at]
  if holds(id, ARGV[at + 1]) then
    end_lease(id)
    if redis.call('HINCRBY', attempts, id, -1) <= 0 then
      redis.call('HDEL', attempts, id)
    end
    make_ready(id, true)
  else
    lost[#lost + 1] = id
  end
end
return lost
