-- What take, report and look share. A record is a line of numbers; what is missing is 0. Times are in
-- seconds on the server's clock; what counts halves with time, so that old news fades.
--   pair     at, ok, failed, ok_s, failed_s, heat, in_flight, cool_until, bans, most, picks
--   tally    at, ok, failed, ok_s, failed_s, worked_at
--   failing  failures in a row, when the last one was, until when it rests
-- `heat` is the number of lately made requests, `most` where it may rise to (0: anywhere).
local AT, OK, FAILED, OK_S, FAILED_S, HEAT, IN_FLIGHT, COOL, BANS, MOST, PICKS = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
local WORKED_AT = 6
local ROW, FAILED_AT, REST = 1, 2, 3
-- No rest is longer, in seconds: whatever seems to be was meant before the clock was set back.
local LONGEST = 86400
local MOST_COUNTED = 60
-- So many records that nobody has touched for long are forgotten at a time.
local FORGOTTEN = 20

local function read(key, field, size)
  local record = {}
  for word in string.gmatch(redis.call('HGET', key, field) or '', '%S+') do
    record[#record + 1] = tonumber(word)
  end
  for nth = #record + 1, size do
    record[nth] = 0
  end
  return record
end

local function line(record)
  local words = {}
  for nth, number in ipairs(record) do
    words[nth] = string.format('%.13g', number)
  end
  return table.concat(words, ' ')
end

local function kept(since, at, half_life)
  return 0.5 ^ (math.max(0, at - since) / half_life)
end

-- Let the counts of a record fade, and its heat if it has one.
local function age(record, at, half_life, heat_half_life)
  local left = kept(record[AT], at, half_life)
  left = math.min(left, MOST_COUNTED / math.max(1, record[OK] + record[FAILED]))
  for nth = OK, FAILED_S do
    record[nth] = record[nth] * left
  end
  if heat_half_life then
    record[HEAT] = record[HEAT] * kept(record[AT], at, heat_half_life)
  end
  record[AT] = at
end

-- Whether a rest is not over.
local function rests(till, at)
  return till > at and till < at + LONGEST
end

-- Write a record, and when that was; forget what nobody has touched since `long_ago`.
local function write(key, touched, field, record, at, long_ago)
  redis.call('HSET', key, field, line(record))
  redis.call('ZADD', touched, string.format('%.6f', at), field)
  local old = redis.call('ZRANGEBYSCORE', touched, '-inf', long_ago, 'LIMIT', 0, FORGOTTEN)
  if #old > 0 then
    redis.call('HDEL', key, unpack(old))
    redis.call('ZREM', touched, unpack(old))
  end
end
