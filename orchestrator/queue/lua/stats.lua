-- stats(queue…) -> {ready, delayed, in_progress, done, skipped, error, refused}
--   Costs the same at any size.
local function counted(what)
  return tonumber(redis.call('HGET', counts, what) or 0)
end
return {
  redis.call('ZCARD', ready), redis.call('ZCARD', delayed), redis.call('ZCARD', leased),
  counted('done'), counted('skipped'), counted('error'), counted('refused'),
}
