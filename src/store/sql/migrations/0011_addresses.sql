-- The address before the one that is stated now, and when it changed.

ALTER TABLE accounts ADD COLUMN email_before TEXT;
ALTER TABLE accounts ADD COLUMN email_changed {int};
