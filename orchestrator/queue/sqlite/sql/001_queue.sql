-- The first schema of a queue.

-- Every job that is known. `state`: 0 ready, 1 delayed, 2 leased, 3 done, 4 skipped, 5 error.
-- `due` is in milliseconds of the queue's clock: since when it is ready, when it will be, when its lease
-- runs out, or when it ended. `turn` orders the ready ones of a lane, and the ended ones. A payload that is
-- long stands in `bodies`, so that it is not written again whenever the job moves.
CREATE TABLE jobs (
  number   INTEGER PRIMARY KEY,
  id       TEXT    NOT NULL UNIQUE,
  state    INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  key      TEXT    NOT NULL,
  host     TEXT    NOT NULL,
  turn     INTEGER NOT NULL,
  due      INTEGER NOT NULL,
  enqueued INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  fence    INTEGER NOT NULL DEFAULT 0,
  started  INTEGER,
  worker   TEXT    NOT NULL DEFAULT '',
  reason   TEXT    NOT NULL DEFAULT '',
  history  TEXT    NOT NULL DEFAULT '',
  payload  TEXT,
  result   TEXT
);
CREATE INDEX jobs_ready   ON jobs (priority, key, host, turn) WHERE state = 0;
CREATE INDEX jobs_delayed ON jobs (due) WHERE state = 1;
CREATE INDEX jobs_leased  ON jobs (due) WHERE state = 2;
CREATE INDEX jobs_by_key  ON jobs (key, due) WHERE state = 2 AND key <> '';
CREATE INDEX jobs_by_host ON jobs (host, due) WHERE state = 2 AND host <> '';
CREATE INDEX jobs_ended   ON jobs (due, turn) WHERE state >= 3;
CREATE INDEX jobs_failed  ON jobs (due, turn) WHERE state = 5;

-- Payloads that are too long to stand in `jobs`.
CREATE TABLE bodies (
  number  INTEGER PRIMARY KEY,
  payload TEXT NOT NULL
);

-- The keys that have ready jobs, by priority: they take turns in the order of `tag`. One that is at its limit
-- is out of the rota until `parked`; 0 is in it.
CREATE TABLE rota (
  priority INTEGER NOT NULL,
  key      TEXT    NOT NULL,
  tag      INTEGER NOT NULL,
  parked   INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (priority, key)
) WITHOUT ROWID;
CREATE INDEX rota_next   ON rota (priority, tag) WHERE parked = 0;
CREATE INDEX rota_parked ON rota (parked) WHERE parked > 0;
CREATE INDEX rota_by_key ON rota (key) WHERE parked > 0;

-- The hosts of those keys, which take turns within the key in the same way.
CREATE TABLE lanes (
  priority INTEGER NOT NULL,
  key      TEXT    NOT NULL,
  host     TEXT    NOT NULL,
  tag      INTEGER NOT NULL,
  parked   INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (priority, key, host)
) WITHOUT ROWID;
CREATE INDEX lanes_next    ON lanes (priority, key, tag) WHERE parked = 0;
CREATE INDEX lanes_parked  ON lanes (parked) WHERE parked > 0;
CREATE INDEX lanes_by_host ON lanes (host, priority, tag) WHERE parked > 0;

-- How many jobs of each key stand where. The row of no key has, besides, what belongs to the whole queue
-- and changes with every write, so that a write touches one page less: the last number of the counter that
-- fences, turns and tags are drawn from, how often new work came, and the time of the last write.
CREATE TABLE tally (
  key      TEXT PRIMARY KEY,
  ready    INTEGER NOT NULL DEFAULT 0,
  delayed  INTEGER NOT NULL DEFAULT 0,
  leased   INTEGER NOT NULL DEFAULT 0,
  done     INTEGER NOT NULL DEFAULT 0,
  skipped  INTEGER NOT NULL DEFAULT 0,
  error    INTEGER NOT NULL DEFAULT 0,
  counter  INTEGER NOT NULL DEFAULT 0,
  arrivals INTEGER NOT NULL DEFAULT 0,
  seen     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO tally (key) VALUES ('');

-- What seldom changes: the boot that the clock was set in, the milliseconds that the clock adds to
-- those since the boot, and the limits (JSON).
CREATE TABLE meta (
  one    INTEGER PRIMARY KEY CHECK (one = 1),
  boot   TEXT    NOT NULL DEFAULT '',
  base   INTEGER NOT NULL DEFAULT 0,
  limits TEXT    NOT NULL DEFAULT ''
);
INSERT INTO meta (one) VALUES (1);
