-- expire(queue…; worker, then ids) -> those of them whose lease, which this worker has, runs out now
local over = {}
for at = 2, #ARGV do
  local id = ARGV[at]
  local ends = redis.call('ZSCORE', leased, id)
  local holder = ends and string.match(redis.call('HGET', run, id) or '', '^%S+ %S+ (.*)$')
  if holder == ARGV[1] and tonumber(ends) > now then
    redis.call('ZADD', leased, whole(now), id)
    over[#over + 1] = id
    tell_all()
  end
end
return over
