-- Letters that wait for the relay. Recipient and text stand in `sealed` alone; `holder` may deliver until `leased_until`.

CREATE TABLE mail (
  id           TEXT PRIMARY KEY,
  created      {int} NOT NULL,
  due          {int} NOT NULL,
  attempts     {int} NOT NULL,
  leased_until {int} NOT NULL,
  holder       TEXT NOT NULL,
  sealed       TEXT NOT NULL
) {strict};
CREATE INDEX mail_due ON mail (due, id);
