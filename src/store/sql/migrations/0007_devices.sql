-- Trusted devices. The secrets are sealed under the keyring and held by the devices alone.

CREATE TABLE devices (
  id        TEXT PRIMARY KEY,
  account   TEXT NOT NULL REFERENCES accounts (id),
  site      TEXT NOT NULL,
  door      TEXT NOT NULL,
  epoch     {int} NOT NULL,
  counter   {int} NOT NULL,
  moved     {int} NOT NULL,
  created   {int} NOT NULL,
  expires   {int} NOT NULL,
  last_used {int} NOT NULL,
  label     TEXT NOT NULL,
  address   TEXT NOT NULL
) {strict};
CREATE INDEX devices_account ON devices (account, last_used);
