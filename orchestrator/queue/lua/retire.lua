-- retire(queue…; ttl_ms) -> how many keys will expire
--   For a queue whose work is finished and drained.
local found = 0
for _, key in ipairs(KEYS) do
  found = found + redis.call('PEXPIRE', key, ARGV[1])
end
return found
