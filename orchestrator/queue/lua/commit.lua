-- commit(queue…, stream?, bytes?; id, token, outcome, reason, most, count,
--        then the words of each of `count` new jobs, then the body of the result, if there is one, and,
--        with a stream, further names and values of its entry)
--     -> how many jobs were new, or -1 when the token is not current: then nothing is written
--   most     ids that the queue may know, -1 for any number: no job is added beyond it
--   stream   of results; the entry has body, bytes and the further fields
--   bytes    counter of what waits in the stream
local id, held, outcome, reason, most, count = unpack(ARGV, 1, 6)
if not holds(id, held) then
  return -1
end
-- Before the end: nothing is undone when one cannot be added, and the job must not have ended then.
local new = add_all(7, tonumber(count), tonumber(most), 'ignore')
finish(id, 'i', outcome, reason)

local stream, bytes = KEYS[OWN], KEYS[OWN + 1]
local first = 7 + WORDS * count
local body = ARGV[first]
if stream then
  redis.call('XADD', stream, '*', 'body', body, 'bytes', #body, unpack(ARGV, first + 1))
  redis.call('INCRBY', bytes, #body)
elseif body then
  redis.call('HSET', result, id, body)
end
return new
