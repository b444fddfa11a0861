-- Forgets jobs that have all ended in this way: nothing of them is left.
local function forget_all(ids, outcome)
  for _, id in ipairs(ids) do
    move(job_of(id), string.sub(outcome, 1, 1), nil, 1)
  end
  for _, of_jobs in ipairs({state, payload, attempts, errors, about, run, history, result}) do
    redis.call('HDEL', of_jobs, unpack(ids))
  end
  redis.call('ZREM', ended[outcome], unpack(ids))
  redis.call('HINCRBY', counts, outcome, -#ids)
end
