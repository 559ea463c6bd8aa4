-- What was taken over from another system, and what the LMSes say of their people's groups.

CREATE TABLE takeovers (
  site       TEXT NOT NULL,
  foreign_id {int} NOT NULL,
  account    TEXT NOT NULL,
  enrolment  TEXT NOT NULL,
  PRIMARY KEY (site, foreign_id)
) {strict};

CREATE TABLE lms_groups (
  site        TEXT NOT NULL,
  account     TEXT NOT NULL REFERENCES accounts (id),
  groups_json TEXT NOT NULL,
  tried       {int} NOT NULL,
  readable    {int} NOT NULL,
  PRIMARY KEY (site, account)
) {strict};
CREATE INDEX lms_groups_account ON lms_groups (account);
