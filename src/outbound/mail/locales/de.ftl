# Everything people read in mail, in German. A subject holds nothing that a person chose.

## Every letter
when = Wann: { $when }
automatic = Diese Nachricht hat ein Programm geschrieben. Antworten darauf liest niemand.
not-asked = Wenn Sie darum nicht gebeten haben, sagen Sie sofort Ihrem Helpdesk Bescheid.
not-you = Wenn Sie das nicht waren, ändern Sie Ihr Passwort und sagen Sie sofort Ihrem Helpdesk Bescheid.

## Ways to sign in
linked = Ein Anmeldeweg ist hinzugekommen
linked-text = Zu Ihrem Konto auf { $site } ist ein Anmeldeweg hinzugekommen: { $source }. Wer sich dort anmelden kann, kann jetzt Ihr Konto benutzen.
unlinked = Ein Anmeldeweg wurde entfernt
unlinked-text = Von Ihrem Konto auf { $site } wurde ein Anmeldeweg entfernt: { $source }.
primary = Ihr wichtigster Anmeldeweg hat sich geändert
primary-text = Für Ihr Konto auf { $site } wird jetzt zuerst gefragt: { $source }.

## Factors and passwords
enrolled = Ein zweiter Schritt wurde eingerichtet
enrolled-totp = Für Ihr Konto auf { $site } wurde eine Authenticator-App als zweiter Schritt eingerichtet.
enrolled-webauthn = Für Ihr Konto auf { $site } wurde ein Sicherheitsschlüssel oder Passkey als zweiter Schritt eingerichtet.
enrolled-email = Für Ihr Konto auf { $site } wurde diese oder eine andere E-Mail-Adresse als zweiter Schritt eingerichtet.
enrolled-sms = Für Ihr Konto auf { $site } wurde eine Telefonnummer als zweiter Schritt eingerichtet.
enrolled-recovery = Für Ihr Konto auf { $site } wurden neue Wiederherstellungscodes erstellt. Ältere gelten nicht mehr.
revoked = Ein zweiter Schritt wurde entfernt
revoked-text = Der Helpdesk hat von Ihrem Konto auf { $site } einen zweiten Schritt entfernt: { $factor ->
    [totp] eine Authenticator-App
    [webauthn] einen Sicherheitsschlüssel oder Passkey
    [email] eine E-Mail-Adresse
    [sms] eine Telefonnummer
   *[recovery] Wiederherstellungscodes
}. Was damit angemeldet war, ist abgemeldet.
exempted = Sie werden eine Zeit lang nicht nach einem zweiten Schritt gefragt
exempted-text = Der Helpdesk lässt Sie bis { $until } ohne zweiten Schritt auf { $site } anmelden.
password = Ihr Passwort wurde geändert
password-text = Das Passwort Ihres Kontos auf { $site } wurde geändert.

## To administrators
break-glass = Das Notfallkonto wurde benutzt
break-glass-text = Jemand hat sich auf { $site } mit dem Notfallkonto { $user } angemeldet, von der Adresse { $address }.
break-glass-advice = Wenn das niemand von Ihnen war, sperren Sie das Konto und sehen Sie sofort in das Audit-Log.

## vestibule mail test
test = Ein Test der Mail-Einstellungen
test-text = Diese Nachricht zeigt, dass vestibule Mail versenden kann.
test-advice = Es ist nichts zu tun.
