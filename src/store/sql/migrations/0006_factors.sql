-- Every kind of factor in one table, and accounts that are asked for nothing until a date.

CREATE TABLE enrolments (
  id        TEXT PRIMARY KEY,
  account   TEXT NOT NULL REFERENCES accounts (id),
  kind      TEXT NOT NULL,
  label     TEXT NOT NULL,
  secret    TEXT NOT NULL,
  detail    TEXT NOT NULL,
  counter   {int} NOT NULL,
  handle    TEXT UNIQUE,
  created   {int} NOT NULL,
  last_used {int},
  site      TEXT NOT NULL,
  rule      TEXT NOT NULL,
  proof     TEXT NOT NULL,
  suspended {int} NOT NULL
) {strict};
CREATE INDEX enrolments_account ON enrolments (account, created);

INSERT INTO enrolments (id, account, kind, label, secret, detail, counter, created, site, rule, proof, suspended)
SELECT id, account, 'totp', label, secret, '{}', last_step, created, site, rule, proof, 0 FROM totp;
DROP TABLE totp;

CREATE TABLE exemptions (
  account  TEXT NOT NULL REFERENCES accounts (id),
  kind     TEXT NOT NULL,
  until    {int} NOT NULL,
  reason   TEXT NOT NULL,
  given_by TEXT NOT NULL,
  created  {int} NOT NULL,
  PRIMARY KEY (account, kind)
) {strict};
