-- Of accounts' mail: whose password was chosen by way of a mailed link, and whose owner said "this was not me".

CREATE TABLE mailed_passwords (
  site     TEXT NOT NULL,
  lms_user {int} NOT NULL,
  at       {int} NOT NULL,
  PRIMARY KEY (site, lms_user)
) {strict};

CREATE TABLE disowned_sign_ins (
  account TEXT PRIMARY KEY REFERENCES accounts (id),
  at      {int} NOT NULL
) {strict};
