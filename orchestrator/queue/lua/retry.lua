-- retry(queue…; id, token, delay_ms, error) -> 1, or 0 when the token is not current
--   The attempt stays counted; the job waits delay_ms and is leased again.
local id, held, delay_ms, why = unpack(ARGV)
if not holds(id, held) then
  return 0
end
end_lease(id)
redis.call('HSET', last_error, id, why)
if closed then
  closed(id, why)
end
make_delayed(id, 'i', delay_ms)
return 1
