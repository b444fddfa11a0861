-- name: state
-- What a transaction begins with.
SELECT counter, arrivals, seen, limits FROM tally, meta WHERE key = '';

-- name: save
-- What it ends with; the counts of the empty key with it.
UPDATE tally SET ready = ready + ?, delayed = delayed + ?, leased = leased + ?, done = done + ?,
  skipped = skipped + ?, error = error + ?, counter = ?, arrivals = ?, seen = ?
WHERE key = '';

-- name: count
-- The counts of another key.
UPDATE tally SET ready = ready + ?, delayed = delayed + ?, leased = leased + ?, done = done + ?,
  skipped = skipped + ?, error = error + ?
WHERE key = ?;

-- name: count_first
-- The same when the key is new.
INSERT INTO tally (ready, delayed, leased, done, skipped, error, key) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: clock
-- The boot that the clock was set in, and what it adds to the time since the boot.
SELECT meta.boot, meta.base, tally.seen FROM meta, tally WHERE tally.key = '';

-- name: set_clock
-- The first process after a boot sets the clock.
UPDATE meta SET boot = ?, base = ?;

-- name: run_out
-- Leases of an earlier boot have run out.
UPDATE jobs SET due = 0 WHERE state = 2;
