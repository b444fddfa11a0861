-- commit(queue…, stream?, bytes?; id, token, outcome, reason, most, count,
--        then id, payload, priority, delay_ms of each of `count` new jobs,
--        then body and further names and values of the result's entry)
--     -> how many jobs were new, or -1 when the token is not current: then nothing is written
--   most     ids that the queue may know, -1 for any number: no job is added beyond it
--   stream   of results; the entry has body, bytes and the further fields
--   bytes    counter of what waits in the stream
local id, held, outcome, reason, most, count = unpack(ARGV, 1, 6)
if not holds(id, held) then
  return -1
end
finish(id, outcome, reason)
local new = add_all(7, tonumber(count), tonumber(most))

local stream, bytes = KEYS[13], KEYS[14]
if stream then
  local first = 7 + 4 * count
  local body = ARGV[first]
  redis.call('XADD', stream, '*', 'body', body, 'bytes', #body, unpack(ARGV, first + 1))
  redis.call('INCRBY', bytes, #body)
end
return new
