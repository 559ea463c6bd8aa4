-- Leavers: which source switched an account off (NULL: an operator did), and of which kind each instance was.

ALTER TABLE accounts ADD COLUMN barred_by TEXT;
CREATE INDEX tokens_used ON tokens (last_used);

CREATE TABLE instances (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL
) {strict};
