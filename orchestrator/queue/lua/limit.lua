-- limit(queue…; then names and values as in `limits`) -> 1
--   Besides those that `turns` reads: n NAME, somebody has set this one to any number; d NAME, nobody has
--   set it, and a configuration may.
redis.call('DEL', limits)
redis.call('HSET', limits, 'changed', whole(now))
for at = 1, #ARGV, 2 do
  redis.call('HSET', limits, ARGV[at], ARGV[at + 1])
end
tell_all()
return 1
