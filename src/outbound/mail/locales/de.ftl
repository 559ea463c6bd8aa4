# Everything people read in mail, in German. A subject holds nothing that a person chose.

## Every letter
when = Wann: { $when }
automatic = Diese Nachricht hat ein Programm geschrieben. Antworten darauf liest niemand.
not-you = Wenn Sie das nicht waren, ändern Sie Ihr Passwort und sagen Sie sofort Ihrem Helpdesk Bescheid.

## Ways to sign in
linked = Ein Anmeldeweg ist hinzugekommen
linked-text = Zu Ihrem Konto auf { $site } ist ein Anmeldeweg hinzugekommen: { $source }. Wer sich dort anmelden kann, kann jetzt Ihr Konto benutzen.
unlinked = Ein Anmeldeweg wurde entfernt
unlinked-text = Von Ihrem Konto auf { $site } wurde ein Anmeldeweg entfernt: { $source }.
primary = Ihr wichtigster Anmeldeweg hat sich geändert
primary-text = Für Ihr Konto auf { $site } wird jetzt zuerst gefragt: { $source }.

## Codes
code = Ihr Code zum Anmelden
code-text = Jemand meldet sich gerade bei Ihrem Konto auf { $site } an, von der Adresse { $address } mit { $browser }. Wenn Sie das sind, geben Sie diesen Code ein:
code-where = Er gilt 10 Minuten, einmal, und nur dort, wo Sie danach gefragt wurden.
code-link = Statt ihn einzutippen, können Sie diese Seite in dem Browser öffnen, in dem Sie sich anmelden. Wenn Sie das nicht waren, öffnen Sie sie in irgendeinem Browser und sagen Sie es dort:
code-advice = Geben Sie diesen Code niemandem, wer auch fragt: nicht am Telefon, nicht dem Helpdesk.

## Factors and passwords
enrolled = Ein zweiter Schritt wurde eingerichtet
enrolled-text = { $factor ->
        [totp] Für Ihr Konto auf { $site } wurde eine Authenticator-App als zweiter Schritt eingerichtet.
        [webauthn] Für Ihr Konto auf { $site } wurde ein Sicherheitsschlüssel oder Passkey als zweiter Schritt eingerichtet.
        [email] Für Ihr Konto auf { $site } wurde eine E-Mail-Adresse als zweiter Schritt eingerichtet.
        [sms] Für Ihr Konto auf { $site } wurde eine Telefonnummer als zweiter Schritt eingerichtet.
        [recovery] Für Ihr Konto auf { $site } wurden neue Wiederherstellungscodes erstellt. Ältere gelten nicht mehr.
       *[other] Für Ihr Konto auf { $site } wurde ein zweiter Schritt eingerichtet.
    }
first = Ihr Konto hat jetzt einen zweiten Schritt
first-text = { $factor ->
        [totp] Jemand hat sich bei Ihrem Konto auf { $site } angemeldet und als ersten zweiten Schritt eine Authenticator-App eingerichtet. Von jetzt an wird sie zum Anmelden gebraucht.
        [webauthn] Jemand hat sich bei Ihrem Konto auf { $site } angemeldet und als ersten zweiten Schritt einen Sicherheitsschlüssel oder Passkey eingerichtet. Von jetzt an wird er zum Anmelden gebraucht.
        [email] Jemand hat sich bei Ihrem Konto auf { $site } angemeldet und als ersten zweiten Schritt eine E-Mail-Adresse eingerichtet. Von jetzt an wird sie zum Anmelden gebraucht.
        [sms] Jemand hat sich bei Ihrem Konto auf { $site } angemeldet und als ersten zweiten Schritt eine Telefonnummer eingerichtet. Von jetzt an wird sie zum Anmelden gebraucht.
       *[other] Jemand hat sich bei Ihrem Konto auf { $site } angemeldet und den ersten zweiten Schritt eingerichtet. Von jetzt an wird er zum Anmelden gebraucht.
    }
removed = Ein zweiter Schritt wurde entfernt
removed-text = { $factor ->
        [totp] Von Ihrem Konto auf { $site } wurde eine Authenticator-App entfernt: { $label }.
        [webauthn] Von Ihrem Konto auf { $site } wurde ein Sicherheitsschlüssel oder Passkey entfernt: { $label }.
        [email] Eine E-Mail-Adresse ist kein zweiter Schritt Ihres Kontos auf { $site } mehr: { $label }.
        [sms] Eine Telefonnummer ist kein zweiter Schritt Ihres Kontos auf { $site } mehr: { $label }.
        [recovery] Die Wiederherstellungscodes Ihres Kontos auf { $site } wurden entfernt.
       *[other] Von Ihrem Konto auf { $site } wurde ein zweiter Schritt entfernt: { $label }.
    }
renamed = Ein zweiter Schritt heißt jetzt anders
renamed-text = { $factor ->
        [totp] Eine Authenticator-App Ihres Kontos auf { $site } hieß { $label } und heißt jetzt { $to }.
        [webauthn] Ein Sicherheitsschlüssel oder Passkey Ihres Kontos auf { $site } hieß { $label } und heißt jetzt { $to }.
       *[other] Ein zweiter Schritt Ihres Kontos auf { $site } hieß { $label } und heißt jetzt { $to }.
    }
suspended = Ein zweiter Schritt ruht
suspended-text = { $factor ->
        [webauthn] Ein Sicherheitsschlüssel Ihres Kontos auf { $site } verhielt sich, als hätte jemand eine Kopie davon, und wird nicht mehr angenommen: { $label }.
        [email] An eine E-Mail-Adresse Ihres Kontos auf { $site } gehen zurzeit keine Codes, weil jetzt eine andere Adresse von Ihnen bekannt ist: { $label }.
       *[other] Ein zweiter Schritt Ihres Kontos auf { $site } wird zurzeit nicht angenommen: { $label }.
    }
suspended-advice = Melden Sie sich mit einem anderen zweiten Schritt an und sehen Sie auf die Seite Ihres Kontos. Wenn Sie keinen haben oder nicht wissen, warum das geschah, fragen Sie Ihren Helpdesk.
reset = Ihre zweiten Schritte wurden entfernt
reset-text = Ihr Helpdesk hat alle zweiten Schritte Ihres Kontos auf { $site } entfernt. Zum Anmelden brauchen Sie einen Code von Ihrem Helpdesk.
reset-advice = Wenn Sie nicht darum gebeten haben, sagen Sie sofort Ihrem Helpdesk Bescheid.
codes-made = Neue Wiederherstellungscodes wurden erstellt
codes-made-text = Für Ihr Konto auf { $site } wurden neue Wiederherstellungscodes erstellt. Ältere gelten nicht mehr.
code-used = Ein Wiederherstellungscode wurde benutzt
code-used-text = { $left ->
        [0] Jemand hat sich bei Ihrem Konto auf { $site } mit einem Wiederherstellungscode angemeldet. Es war der letzte: Erstellen Sie jetzt neue auf der Seite Ihres Kontos.
        [one] Jemand hat sich bei Ihrem Konto auf { $site } mit einem Wiederherstellungscode angemeldet. Einer ist übrig: Erstellen Sie bald neue auf der Seite Ihres Kontos.
        [2] Jemand hat sich bei Ihrem Konto auf { $site } mit einem Wiederherstellungscode angemeldet. 2 sind übrig: Erstellen Sie bald neue auf der Seite Ihres Kontos.
        [3] Jemand hat sich bei Ihrem Konto auf { $site } mit einem Wiederherstellungscode angemeldet. 3 sind übrig: Erstellen Sie bald neue auf der Seite Ihres Kontos.
       *[other] Jemand hat sich bei Ihrem Konto auf { $site } mit einem Wiederherstellungscode angemeldet. { $left } sind übrig.
    }
address-soon = Ihre E-Mail-Adresse soll sich ändern
address-soon-text = Für Ihr Konto auf { $site } ist jetzt eine andere E-Mail-Adresse bekannt. Codes gehen weder an diese noch an die neue Adresse, bis die Änderung mit einem anderen zweiten Schritt bestätigt wurde.
address = Ihre Codes gehen an eine andere Adresse
address-text = Codes für Ihr Konto auf { $site } gehen nicht mehr an diese Adresse. Die Änderung wurde mit einem anderen zweiten Schritt bestätigt.
bypass = Ihr zweiter Schritt ruht für eine Weile
bypass-text = Ihr Helpdesk lässt Ihr Konto auf { $site } bis { $until } ohne zweiten Schritt ein.
bypass-advice = Wenn Sie nicht darum gebeten haben, sagen Sie sofort Ihrem Helpdesk Bescheid.
stolen = Ein vertrautes Gerät wurde vielleicht kopiert
stolen-text = Zwei Browser haben sich auf { $site } als Ihr vertrautes Gerät { $label } ausgegeben, der zweite von der Adresse { $address } mit { $browser }. Dem Gerät wird nicht mehr vertraut, und der zweite Schritt wird dort wieder verlangt.
grace = Sie brauchen bald einen zweiten Schritt
grace-text = Ab { $until } brauchen Sie einen zweiten Schritt, um sich auf { $site } anzumelden, und Sie haben noch keinen.
grace-advice = Richten Sie vorher einen ein: Melden Sie sich an und öffnen Sie die Seite Ihres Kontos. Es dauert wenige Minuten.
password = Ihr Passwort wurde geändert
password-text = Das Passwort Ihres Kontos auf { $site } wurde geändert.

## To the help desk
not-me = Jemand sagt, dass eine Anmeldung nicht die eigene war
not-me-text = Ein Code zum Anmelden auf { $site } ging an den Inhaber des Kontos { $account }, der sagt: Das war ich nicht. Wer sich angemeldet hat, kennt das Passwort des Kontos. Die Anfrage kam von der Adresse { $address } mit { $browser } und wurde beendet.
not-me-advice = Sprechen Sie mit dem Inhaber des Kontos auf einem Weg, den Sie kennen. Das Passwort muss geändert werden.

## To administrators
break-glass = Das Notfallkonto wurde benutzt
break-glass-text = Jemand hat sich auf { $site } mit dem Notfallkonto { $user } angemeldet, von der Adresse { $address }.
break-glass-advice = Wenn das niemand von Ihnen war, sperren Sie das Konto und sehen Sie sofort in das Audit-Log.

## vestibule mail test
test = Ein Test der Mail-Einstellungen
test-text = Diese Nachricht zeigt, dass vestibule Mail versenden kann.
test-advice = Es ist nichts zu tun.
