-- Accounts of the gateway itself (the source `local`), each belonging to one instance.

CREATE TABLE local_accounts (
  source           TEXT NOT NULL,
  id               TEXT NOT NULL,
  username         TEXT NOT NULL,
  hash             TEXT NOT NULL,
  first_name       TEXT,
  last_name        TEXT,
  name             TEXT,
  email            TEXT,
  created          {int} NOT NULL,
  password_changed {int} NOT NULL,
  must_change      {int} NOT NULL,
  one_time         {int} NOT NULL,
  PRIMARY KEY (source, id),
  UNIQUE (source, username)
) {strict};
