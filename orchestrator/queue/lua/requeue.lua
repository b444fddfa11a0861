-- requeue(queue…; ids) -> those of them that had ended as error, and are queued anew
local anew = {}
for _, id in ipairs(ARGV) do
  if redis.call('HGET', state, id) == 'e' then
    unfinish(id, 'e')
    make_ready(id, 'e')
    anew[#anew + 1] = id
  end
end
return anew
