-- Portable between SQLite and PostgreSQL. Three words are replaced before it runs (see migrate.rs):
-- {int} a 64-bit integer, {serial} an ascending key, {strict} SQLite's STRICT.

CREATE TABLE accounts (
  id                      TEXT PRIMARY KEY,
  username                TEXT,
  username_verified       {int} NOT NULL,
  display_name            TEXT,
  email                   TEXT,
  groups_json             TEXT NOT NULL,
  state                   TEXT NOT NULL,
  epoch                   {int} NOT NULL,
  created                 {int} NOT NULL,
  enrol_by_help_desk_only {int} NOT NULL
) {strict};
CREATE INDEX accounts_username ON accounts (username);
CREATE INDEX accounts_created ON accounts (created, id);

CREATE TABLE methods (
  source       TEXT NOT NULL,
  subject      TEXT NOT NULL,
  account      TEXT NOT NULL REFERENCES accounts (id),
  linked       {int} NOT NULL,
  linked_by    TEXT NOT NULL,
  primary_flag {int} NOT NULL,
  PRIMARY KEY (source, subject)
) {strict};
CREATE INDEX methods_account ON methods (account);

CREATE TABLE bindings (
  site     TEXT NOT NULL,
  lms_user {int} NOT NULL,
  account  TEXT NOT NULL REFERENCES accounts (id),
  created  {int} NOT NULL,
  PRIMARY KEY (site, lms_user),
  UNIQUE (site, account)
) {strict};

CREATE TABLE totp (
  id        TEXT PRIMARY KEY,
  account   TEXT NOT NULL REFERENCES accounts (id),
  label     TEXT NOT NULL,
  secret    TEXT NOT NULL,
  last_step {int} NOT NULL,
  created   {int} NOT NULL,
  site      TEXT NOT NULL,
  rule      TEXT NOT NULL,
  proof     TEXT NOT NULL
) {strict};
CREATE INDEX totp_account ON totp (account);

CREATE TABLE recovery_codes (
  account TEXT NOT NULL REFERENCES accounts (id),
  digest  TEXT NOT NULL,
  used    {int},
  PRIMARY KEY (account, digest)
) {strict};

CREATE TABLE enrolment_codes (
  account TEXT PRIMARY KEY REFERENCES accounts (id),
  digest  TEXT NOT NULL,
  expires {int} NOT NULL
) {strict};

CREATE TABLE tokens (
  id             TEXT PRIMARY KEY,
  digest         TEXT NOT NULL UNIQUE,
  account        TEXT NOT NULL REFERENCES accounts (id),
  epoch          {int} NOT NULL,
  site           TEXT NOT NULL,
  lms_user       {int} NOT NULL,
  source         TEXT NOT NULL,
  log_user       TEXT,
  service        TEXT NOT NULL,
  device_label   TEXT NOT NULL,
  device_address TEXT NOT NULL,
  issued         {int} NOT NULL,
  factor_at      {int},
  amr_json       TEXT NOT NULL,
  unproven       TEXT,
  last_used      {int} NOT NULL,
  expires        {int} NOT NULL,
  revoked        {int},
  parent         TEXT REFERENCES tokens (id),
  lms_token      TEXT NOT NULL,
  private_token  TEXT,
  private_digest TEXT,
  file_key       TEXT,
  file_digest    TEXT UNIQUE
) {strict};
CREATE INDEX tokens_account ON tokens (account);
CREATE INDEX tokens_parent ON tokens (parent);
CREATE INDEX tokens_issued ON tokens (issued);

CREATE TABLE audit (
  id      {serial},
  at      {int} NOT NULL,
  account TEXT,
  line    TEXT NOT NULL
) {strict};
CREATE INDEX audit_account ON audit (account, id);
