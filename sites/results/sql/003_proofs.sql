-- With what a site can tell that a page is as it was, and what we need not read again then. Only the newest
-- of each page; its items are those of its job.
CREATE TABLE proofs (
  url TEXT PRIMARY KEY,
  job TEXT NOT NULL,              -- the run that has its items
  etag TEXT NOT NULL,             -- as sent; '' for none
  last_modified TEXT NOT NULL,    -- as sent; '' for none
  recipe TEXT NOT NULL,           -- digest of what the page was read by
  links BLOB NOT NULL             -- JSON, packed by zlib: [links a step deeper, links of the same list, items dropped]
) WITHOUT ROWID;
CREATE INDEX proofs_by_job ON proofs (job);
