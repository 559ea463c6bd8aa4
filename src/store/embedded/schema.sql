CREATE TABLE IF NOT EXISTS entries (
  key     TEXT PRIMARY KEY,
  value   TEXT NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires);

CREATE TABLE IF NOT EXISTS counters (
  key    TEXT PRIMARY KEY,
  value  INTEGER NOT NULL,
  resets INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS counters_resets ON counters (resets);

-- Indexes and queues; among members with one end, `rowid` is the order of insertion.
CREATE TABLE IF NOT EXISTS members (
  name   TEXT NOT NULL,
  member TEXT NOT NULL,
  score  INTEGER NOT NULL,
  UNIQUE (name, member)
) STRICT;
CREATE INDEX IF NOT EXISTS members_score ON members (name, score);
CREATE INDEX IF NOT EXISTS members_age ON members (score);
