-- Several sources: what each says of its own people, and what a binding rests on.

ALTER TABLE accounts ADD COLUMN given_name TEXT;
ALTER TABLE accounts ADD COLUMN family_name TEXT;
ALTER TABLE accounts ADD COLUMN email_verified_by TEXT;
ALTER TABLE accounts ADD COLUMN groups_at {int};
CREATE INDEX accounts_email ON accounts (lower(email));

ALTER TABLE methods ADD COLUMN password_mark TEXT;
ALTER TABLE methods ADD COLUMN groups_json TEXT;
ALTER TABLE methods ADD COLUMN vouched {int} NOT NULL DEFAULT 0;
UPDATE methods SET vouched = linked;

ALTER TABLE bindings ADD COLUMN lms_username TEXT;
ALTER TABLE bindings ADD COLUMN bound_by TEXT NOT NULL DEFAULT 'lms';
