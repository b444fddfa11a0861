-- name: add
-- A job, unless its id is known.
INSERT INTO jobs (id, state, priority, key, host, turn, due, enqueued, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING;

-- name: add_body
-- A long payload of a job that was just added (or changed) with the marker of one.
INSERT INTO bodies (number, payload) SELECT number, :payload FROM jobs WHERE id = :id AND payload IS NULL
ON CONFLICT (number) DO NOTHING;

-- name: newest
-- Jobs that are added get a greater number.
SELECT coalesce(max(number), 0) FROM jobs;

-- name: added
-- Where the new ones stand.
SELECT priority, key, host, state, count(*) FROM jobs WHERE number > ? GROUP BY 1, 2, 3, 4;

-- name: known
-- What an id that is known stands for.
SELECT number, state, priority, key, host, turn, due, started, worker, reason, history FROM jobs WHERE id = ?;

-- name: change
-- A queued job gets new contents, unless it keeps its payload, and a new place.
UPDATE jobs SET state = ?, priority = ?, key = ?, host = ?, turn = ?, due = ?, payload = iif(?, payload, ?)
WHERE number = ?;

-- name: renew
-- One that has ended begins anew.
UPDATE jobs SET state = ?, priority = ?, key = ?, host = ?, turn = ?, due = ?,
  payload = iif(?, payload, ?), enqueued = ?,
  history = ?, attempts = 0, started = NULL, worker = '', reason = '', result = NULL
WHERE number = ?;

-- name: forget_body
-- The long payload that a job had.
DELETE FROM bodies WHERE number = ?;

-- name: add_lane
-- A lane that has work now.
INSERT INTO lanes (priority, key, host, tag) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: add_key
-- Its key takes turns again; one whose hosts were all at their limits, at once.
INSERT INTO rota (priority, key, tag) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET parked = 0 WHERE parked > 0;
