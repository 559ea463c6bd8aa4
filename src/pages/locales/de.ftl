# Alles, was man liest, auf Deutsch. Eine Nachricht je Satz, der allein steht; keine Auszeichnung.

## Jede Seite
title-problem = Fehler:
request-id = Wenn Sie sich an den Helpdesk wenden, nennen Sie diese Kennung:
signing-in-as = Anmeldung als
continue = Weiter
cancel = Anmeldung abbrechen
cancel-action = Abbrechen
account-of = Konto:
digits = Die Ziffern des Codes, zum Beispiel 123 456
next-sign-in = Zurück zur Anmeldung
next-continue = Weiter
next-account = Zu Ihrem Konto
next-retry = Noch einmal versuchen
next-start = Zur Startseite

## Der zweite Schritt
trust-browser = In diesem Browser eine Zeit lang nicht nach dem zweiten Schritt fragen
trust-browser-hint = Nur wo ihn sonst niemand benutzt. In Ihrem Konto können Sie es zurücknehmen.
challenge-totp = Code eingeben
challenge-totp-label = Code aus der App
challenge-totp-hint = Öffnen Sie Ihre Authenticator-App und geben Sie den Code ein, den sie jetzt zeigt.
# Der weiche Trennstrich: auf kleinen Bildschirmen ist das Wort länger als die Zeile.
challenge-recovery = Wiederherstellungs{"\u00AD"}code eingeben
challenge-recovery-label = Wiederherstellungscode
challenge-recovery-hint = Einer der zehn Codes, die Sie beim Einrichten der App erhalten haben. Jeder gilt einmal.
use-totp = Authenticator-App verwenden
challenge-webauthn = Sicherheitsschlüssel oder Passkey verwenden
challenge-webauthn-label = Sicherheitsschlüssel oder Passkey
challenge-webauthn-hint = Ihr Gerät oder Sicherheitsschlüssel bittet Sie um eine Bestätigung, etwa mit PIN, Fingerabdruck oder Gesicht.
challenge-email = Code aus der E-Mail eingeben
challenge-email-label = Sechsstelliger Code
challenge-email-hint = Er gilt zehn Minuten lang und nur hier.
challenge-sms = Zugesandten Code eingeben
challenge-sms-label = Sechsstelliger Code
challenge-sms-hint = Er gilt zehn Minuten lang und nur hier.
use-webauthn = Sicherheitsschlüssel oder Passkey verwenden
use-email = Code per E-Mail erhalten
use-sms = Code per SMS erhalten
use-recovery = Wiederherstellungscode verwenden
why-network = Sie werden gefragt, weil Sie nicht im eigenen Netz der Lernplattform sind.
why-device = Sie werden gefragt, weil dieser Browser nicht oder nicht mehr als vertraut gilt.
why-grace = Die Zeit, in der Sie sich ohne zweiten Schritt anmelden konnten, ist vorbei (bis { $date }).
why-again = Dieser Teil der Lernplattform fragt noch einmal, auch wenn Sie schon geantwortet haben.
not-at-hand = Nichts davon zur Hand?
not-at-hand-text = Verwenden Sie einen Wiederherstellungscode, falls Sie welche aufbewahrt haben. Sonst wenden Sie sich an den Helpdesk: Er fragt, wer Sie sind, und kann Ihnen dann weiterhelfen.

## Ein Tag in Worten
date-long = { $day }. { $month ->
    [1] Januar
    [2] Februar
    [3] März
    [4] April
    [5] Mai
    [6] Juni
    [7] Juli
    [8] August
    [9] September
    [10] Oktober
    [11] November
   *[other] Dezember
} { $year }

## Der Teil einer Seite, der zu einem Passkey gehört
passkey-use = Weiter mit dem Passkey
passkey-noscript = Ein Passkey braucht JavaScript, das in diesem Browser ausgeschaltet ist. Nehmen Sie einen anderen Weg.
passkey-unsupported = Dieser Browser kann keine Passkeys verwenden. Nehmen Sie einen anderen Weg.
passkey-failed = Es kam nichts zurück: Der Vorgang wurde abgebrochen, dauerte zu lange, oder auf diesem Gerät ist kein Passkey für Sie. Versuchen Sie es noch einmal oder nehmen Sie einen anderen Weg.
passkey-failed-here = Es kam nichts zurück: Der Vorgang wurde abgebrochen, dauerte zu lange, oder auf diesem Gerät ist kein Passkey für diese Seite. Versuchen Sie es noch einmal oder melden Sie sich mit Ihrem Passwort an.
passkey-present = Dieses Gerät oder dieser Sicherheitsschlüssel ist für Ihr Konto schon eingerichtet. Nehmen Sie ein anderes.

## Der Code vom Helpdesk
help-desk = Zweiten Schritt einrichten
help-desk-why = { $site } verlangt bei der Anmeldung einen zweiten Schritt. Für Ihr Konto ist noch keiner eingerichtet.
help-desk-how = Zum Einrichten gibt Ihnen der Helpdesk einen Einmalcode. Er wird Sie fragen, wer Sie sind.
help-desk-label = Code vom Helpdesk

## Hier anmelden
sign-in = Bei { $site } anmelden
username = Benutzername
password = Passwort
sign-in-submit = Anmelden
sign-in-passkey = Mit Passkey anmelden
sign-in-guest = Als Gast umsehen
sign-in-unavailable = Die Anmeldung ist vielleicht vorübergehend gestört
sign-in-unavailable-text = Ein Verzeichnis, das für die Anmeldung nötig ist, antwortet nicht. Wenn Benutzername und Passwort stimmen, versuchen Sie es bitte in einigen Minuten noch einmal.

## Das Passwort der Lernplattform, einmal
lms-password = Noch etwas, nur dieses eine Mal
lms-password-why = Auf { $site } gibt es schon ein Konto mit Ihrem Namen, aus der Zeit vor dieser Anmeldung.
lms-password-how = Geben Sie das Passwort ein, mit dem Sie sich dort bisher angemeldet haben. Gehört dieses Konto nicht Ihnen, brechen Sie ab und sagen Sie es Ihrem Helpdesk.
lms-password-username = Benutzername dort:
lms-password-label = Bisheriges Passwort

## Das eigene Konto
account = Ihr Konto
account-back = Zurück zu { $site }
account-onward = Später: weiter dorthin, wohin Sie wollten
factors = Zweite Schritte
factors-none = Ihr Konto hat keinen zweiten Schritt, der hier zählt. Wie Sie einen einrichten, sagt Ihnen der Helpdesk.
factor-added = Hinzugefügt am
factor-used = Zuletzt verwendet
factor-unused = Seitdem nicht verwendet
factor-suspended = nicht in Gebrauch
factor-confirm-address = Diese Adresse bestätigen
factor-change = ‚{ $name }‘ ändern
factor-label = Neuer Name
factor-rename = Umbenennen
factor-remove = ‚{ $name }‘ entfernen
kind-totp = Authenticator-App
kind-webauthn = Sicherheitsschlüssel oder Passkey
kind-email = Codes per E-Mail
kind-sms = Codes per SMS
kind-recovery = Wiederherstellungscode
add-totp = Authenticator-App hinzufügen
add-webauthn = Sicherheitsschlüssel oder Passkey hinzufügen
add-email = E-Mail-Adresse hinzufügen
add-sms = Telefonnummer hinzufügen
add-recovery = Wiederherstellungscodes erhalten
set-up = Zweiten Schritt einrichten
set-up-why = Mit einem zweiten Schritt kommt niemand in Ihr Konto, der Ihr Passwort herausgefunden hat.
set-up-by-help-desk = Dafür brauchen Sie einen Einmalcode vom Helpdesk.
set-up-due = { $site } verlangt bald einen zweiten Schritt. Richten Sie bis { $date } einen ein; danach können Sie sich ohne nicht mehr anmelden.
recovery = Wiederherstellungscodes
recovery-left = { $left ->
    [0] Sie haben keine Wiederherstellungscodes mehr.
    [one] Sie haben noch einen Wiederherstellungscode.
   *[other] Sie haben noch { $left } Wiederherstellungscodes.
}
recovery-low = Holen Sie sich neue, solange Sie noch können.
recovery-new = Neue Wiederherstellungscodes
devices = Vertraute Browser
devices-why = Diese Browser werden nicht nach Ihrem zweiten Schritt gefragt.
device-until = Vertraut bis
device-forget = Dort wieder fragen
sessions = Wo Sie angemeldet sind
session-current = dieser
session-end = Dort abmelden
sessions-end-others = In allen anderen Browsern abmelden
sessions-end-everything = Überall abmelden
sessions-everything-hint = Dieser Browser, alle anderen, alle Apps und alle vertrauten Browser. Danach melden Sie sich neu an.
browser-unknown = Unbekannter Browser
line-address = Netzadresse:
line-seen = Zuletzt gesehen
apps = Apps
app-unknown = Unbekannte App
app-service = Dienst:
app-issued = Angemeldet am
app-end = Diese App abmelden
signed-out = Sie sind überall abgemeldet
signed-out-text = Alle Sitzungen, Apps und vertrauten Browser Ihres Kontos sind beendet.
own-password = Mit dem Passwort bestätigen
own-password-why = Bevor Sie einen zweiten Schritt einrichten, melden Sie sich noch einmal an. Wer diesen Browser offen vorfindet, kann es nicht an Ihrer Stelle tun.
ways = Anmeldewege
way-primary = Hauptweg
way-linked = Hinzugefügt am
way-current = Damit sind Sie gerade angemeldet.
way-make-primary = ‚{ $source }‘ zum Hauptweg machen
way-unlink = ‚{ $source }‘ entfernen
ways-link = Weiteren Anmeldeweg hinzufügen
ways-no-factor = Anmeldewege können Sie hinzufügen oder entfernen, sobald Ihr Konto einen zweiten Schritt hat, etwa eine Authenticator-App. Wie Sie ihn einrichten, sagt Ihnen der Helpdesk.

## Einen Passkey einrichten
enrol-passkey = Sicherheitsschlüssel oder Passkey einrichten
enrol-passkey-why = Ein Passkey bleibt auf Ihrem Gerät oder Sicherheitsschlüssel und gilt nur für { $site }. Ab jetzt werden Sie beim Anmelden danach gefragt.
enrol-passkey-label = Wie nennen Sie ihn?
enrol-passkey-label-hint = Damit Sie ihn wiedererkennen, zum Beispiel „Laptop im Büro“. Sie können das Feld leer lassen.
enrol-passkey-submit = Einrichten

## Ein Code für eine benannte Handlung
permit = Bestätigen Sie, dass Sie es sind
permit-link = Um Ihrem Konto einen weiteren Anmeldeweg hinzuzufügen, geben Sie einen Code ein.
permit-unlink = Um ‚{ $source }‘ aus Ihrem Konto zu entfernen, geben Sie einen Code ein.
permit-primary = Um ‚{ $source }‘ zum Hauptweg Ihres Kontos zu machen, geben Sie einen Code ein.
permit-add-totp = Um Ihrem Konto eine Authenticator-App hinzuzufügen, verwenden Sie einen Ihrer jetzigen zweiten Schritte.
permit-add-webauthn = Um Ihrem Konto einen Sicherheitsschlüssel oder Passkey hinzuzufügen, verwenden Sie einen Ihrer jetzigen zweiten Schritte.
permit-add-email = Um eine E-Mail-Adresse als zweiten Schritt hinzuzufügen, verwenden Sie einen Ihrer jetzigen zweiten Schritte.
permit-add-sms = Um eine Telefonnummer als zweiten Schritt hinzuzufügen, verwenden Sie einen Ihrer jetzigen zweiten Schritte.
permit-remove = Um „{ $source }“ von Ihrem Konto zu entfernen, verwenden Sie einen Ihrer zweiten Schritte.
permit-rename = Um „{ $source }“ umzubenennen, verwenden Sie einen Ihrer zweiten Schritte.
permit-codes = Um neue Wiederherstellungscodes zu erhalten, verwenden Sie einen Ihrer zweiten Schritte. Die alten gelten dann nicht mehr.
permit-open = Um ‚{ $source }‘ zu öffnen, verwenden Sie noch einmal einen Ihrer zweiten Schritte.
permit-open-administration = Um die Verwaltung von { $site } zu öffnen, verwenden Sie noch einmal einen Ihrer zweiten Schritte.
permit-open-email-address = Um die Adresse zu ändern, an die E-Mails gehen, verwenden Sie noch einmal einen Ihrer zweiten Schritte.
permit-open-grade-export = Um Bewertungen zu exportieren, verwenden Sie noch einmal einen Ihrer zweiten Schritte.
permit-open-login-as = Um { $site } als jemand anders zu benutzen, verwenden Sie noch einmal einen Ihrer zweiten Schritte.
permit-open-roles = Um Rollen und Einschreibungen zu vergeben oder zu entziehen, verwenden Sie noch einmal einen Ihrer zweiten Schritte.
permit-open-tokens = Um Zugangsschlüssel von Apps und Diensten zu sehen oder zu ändern, verwenden Sie noch einmal einen Ihrer zweiten Schritte.
permit-send = Bevor Ihr Formular an ‚{ $source }‘ geht, verwenden Sie noch einmal einen Ihrer zweiten Schritte. Was Sie geschrieben haben, wird einige Minuten aufbewahrt; danach entscheiden Sie, ob es gesendet wird.
permit-adopt = Um sich von nun an mit ‚{ $source }‘ bei diesem Konto anzumelden, geben Sie einen Code ein.

## Ein Formular, das warten musste
send = Ihr Formular senden?
send-what = Sie wollten ein Formular an diese Seite von { $site } senden:
send-why = Es wurde noch nicht gesendet. Wenn Sie sich nicht daran erinnern, verwerfen Sie es.
send-now = Jetzt senden
send-discard = Verwerfen
not-kept = Ihr Formular wurde nicht gesendet
not-kept-what = Sie wollten etwas an diese Seite von { $site } senden:
not-kept-large = Es ist größer als das, was aufbewahrt werden kann, während Sie bestätigen, dass Sie es sind.
not-kept-files = Dateien und Formulare, die Dateien enthalten können, werden nie aufbewahrt, während Sie bestätigen, dass Sie es sind.
not-kept-many = Es warten bereits mehrere Ihrer Formulare. Senden oder verwerfen Sie sie, oder warten Sie zehn Minuten.
not-kept-unclear = Ihr Browser sagt nicht eindeutig, dass Sie es selbst von einer Seite dieser Website gesendet haben, oder es enthält ein Passwort. Solche Formulare werden nie aufbewahrt.
not-kept-how = Nichts wurde gesendet, und nichts ist hier aufbewahrt. Öffnen Sie die Seite, bestätigen Sie, dass Sie es sind, gehen Sie dann zu Ihrem Formular zurück und senden Sie es noch einmal.
not-kept-next = Seite öffnen

## Einen weiteren Weg hinzufügen
second = Weiteren Anmeldeweg hinzufügen
second-why = Melden Sie sich einmal auf dem Weg an, den Sie hinzufügen möchten. So ist sicher, dass er Ihnen gehört.
second-which = Woher ist er?
join = Diesen Anmeldeweg hinzufügen?
join-this = Ihr Konto hier
join-that = Kommt hinzu
join-nameless = das Konto, bei dem Sie angemeldet sind
join-why = Wer sich danach mit ‚{ $source }‘ unter diesem Namen bei { $site } anmeldet, ist in Ihrem Konto.
join-submit = ‚{ $source }‘ hinzufügen

## Jemand mit bekannter Adresse
offer = Haben Sie hier schon ein Konto?
offer-why = Sie haben sich mit ‚{ $source }‘ angemeldet. Auf { $site } gibt es schon ein Konto mit Ihrer E-Mail-Adresse { $address }.
offer-mine = Es ist meines
offer-mine-text = Melden Sie sich dort an wie immer, dann kommt ‚{ $source }‘ hinzu.
offer-mine-submit = Das bin ich
offer-other = Es gehört jemand anderem
offer-other-text = Sie bekommen ein eigenes Konto daneben.
offer-other-submit = Neues Konto anlegen

## Anderswo
away = Weiter zu ‚{ $source }‘
away-text = Sie melden sich dort an und kommen hierher zurück.

## Einrichten
enrol = Authenticator-App einrichten
enrol-why = Ab jetzt verlangt { $site } außer Ihrem Passwort einen Code von Ihrem Telefon.
enrol-app = Authenticator-App bereithalten
enrol-app-text = Jede App für Einmalcodes ist geeignet. Haben Sie schon eine, nehmen Sie diese.
enrol-scan = Dieses Bild mit der App scannen
enrol-qr = QR-Code mit dem Schlüssel für Ihre Authenticator-App. Derselbe Schlüssel steht darunter als Text.
enrol-here = Die App ist auf diesem Gerät: öffnen
enrol-key = Oder diesen Schlüssel in die App eintippen:
enrol-confirm = Mit einem Code abschließen
enrol-code = Code, den die App jetzt zeigt
enrol-label = Name dieses Geräts (freiwillig)
enrol-label-hint = Damit Sie es wiedererkennen, zum Beispiel: mein Telefon.
enrol-further = Neben dem, was Sie schon haben, können Sie dann auch Codes aus dieser App verwenden.
enrol-confirm-hint = { $digits ->
    [8] Acht Ziffern. So ist sicher, dass beide Seiten übereinstimmen.
   *[other] Sechs Ziffern. So ist sicher, dass beide Seiten übereinstimmen.
}
enrol-submit = Einrichtung abschließen

## Wiederherstellungscodes
codes = Wiederherstellungs{"\u00AD"}codes aufbewahren
codes-why = Wenn Sie Ihr Telefon verlieren, kommen Sie mit einem dieser Codes hinein. Sie werden nur jetzt gezeigt: Drucken oder speichern Sie sie dort, wo Sie sie wiederfinden, aber nicht nur auf dem Telefon.
codes-list = Wiederherstellungscodes
codes-once = Jeder Code gilt einmal.
codes-download = Als Datei speichern
codes-print = Drucken
codes-kept = Ich habe sie aufbewahrt: weiter
codes-file = Wiederherstellungscodes für { $site }

## Was an einer Eingabe falsch war
problem-wrong-totp = Der Code stimmt nicht. Geben Sie den Code ein, den die App jetzt zeigt. Kommt das öfter vor, prüfen Sie, ob Ihr Telefon die Uhrzeit automatisch stellt.
problem-wrong-recovery = Der Wiederherstellungscode stimmt nicht. Prüfen Sie jedes Zeichen oder nehmen Sie einen anderen.
problem-wrong-help-desk = Der Code stimmt nicht oder gilt nicht mehr. Prüfen Sie ihn oder bitten Sie den Helpdesk um einen neuen.
problem-wrong-enrol = Der Code passt nicht zu diesem Schlüssel. Prüfen Sie, ob Sie dieses Bild gescannt haben und ob Ihr Telefon die Uhrzeit automatisch stellt.
problem-wrong-webauthn = Das hat nicht geklappt. Versuchen Sie es noch einmal oder wählen Sie einen anderen Weg.
problem-wrong-sent = Der Code stimmt nicht oder gilt nicht mehr. Prüfen Sie ihn, oder lassen Sie sich einen neuen senden.
problem-incomplete-sent = Geben Sie die sechs Ziffern des zugesandten Codes ein.
problem-clock-fast = Der Code gehört in eine spätere Zeit: Die Uhr Ihres Telefons geht etwa { $minutes ->
    [one] eine Minute
   *[other] { $minutes } Minuten
} vor. Lassen Sie die Zeit automatisch einstellen und geben Sie dann einen neuen Code ein.
problem-clock-slow = Der Code ist schon älter: Die Uhr Ihres Telefons geht etwa { $minutes ->
    [one] eine Minute
   *[other] { $minutes } Minuten
} nach. Lassen Sie die Zeit automatisch einstellen und geben Sie dann einen neuen Code ein.
problem-used-totp = Der Code wurde schon benutzt. Warten Sie, bis die App einen neuen zeigt.
problem-used-recovery = Der Wiederherstellungscode wurde schon benutzt. Nehmen Sie einen anderen.
problem-incomplete-totp = Geben Sie alle Ziffern des Codes ein, den die App zeigt.
problem-incomplete-recovery = Geben Sie den ganzen Wiederherstellungscode ein: zehn Buchstaben und Ziffern.
problem-incomplete-help-desk = Geben Sie den ganzen Code vom Helpdesk ein.
problem-sign-in = Benutzername oder Passwort stimmt nicht. Bitte versuchen Sie es noch einmal.
problem-sign-in-elsewhere = Auf diesem Weg hat die Anmeldung nicht geklappt. Bitte versuchen Sie es von hier aus noch einmal.
problem-sign-in-passkey = Der Passkey wurde nicht angenommen. Versuchen Sie es noch einmal oder melden Sie sich mit Ihrem Passwort an.
problem-sign-in-unavailable = Die Anmeldung ist vielleicht vorübergehend gestört: Ein Verzeichnis, das dafür nötig ist, antwortet nicht. Wenn Benutzername und Passwort stimmen, versuchen Sie es bitte in einigen Minuten noch einmal.
problem-wrong-lms-password = Das ist nicht das Passwort auf der Lernplattform.
problem-incomplete-lms-password = Geben Sie das Passwort ein.
problem-form-expired = Diese Seite war in einem anderen Tab oder zu lange offen. Bitte geben Sie den Code noch einmal ein.
problem-form-expired-again = Diese Seite war in einem anderen Tab oder zu lange offen. Bitte versuchen Sie es noch einmal.

## Enden
ended-expired = Diese Anmeldung ist abgelaufen
ended-expired-text = Zu Ihrem Schutz muss eine Anmeldung binnen zehn Minuten abgeschlossen sein. Bitte beginnen Sie neu.
ended-attempts = Zu viele falsche Codes
ended-attempts-text = Diese Anmeldung wurde nach mehreren falschen Codes beendet. Sie können mit Ihrem Passwort neu beginnen.
ended-refused = Diese Anmeldung konnte nicht abgeschlossen werden
ended-refused-text = Ihr Konto hier und das auf der Lernplattform gehören nicht zusammen. Bitte sagen Sie es Ihrem Helpdesk.
ended-taken = Das gehört schon zu einem anderen Konto
ended-taken-text = Es wurde nichts geändert. Wenn beide Konten Ihnen gehören, kann der Helpdesk sie zusammenführen.
ended-factor-taken = Das wird schon verwendet
ended-factor-taken-text = Es wurde nichts geändert: Derselbe Schlüssel oder dieselbe Adresse gehört bereits zu einem Konto.
ended-factors-full = Ihr Konto hat so viele zweite Schritte, wie es haben kann
ended-factors-full-text = Es wurde nichts geändert. Entfernen Sie zuerst einen, den Sie nicht mehr verwenden.
ended-nothing-to-ask = Hierfür ist ein zweiter Schritt nötig
ended-nothing-to-ask-text = Ihr Konto hat keinen zweiten Schritt, der hier zählt; deshalb bleibt diese Seite geschlossen. Sie sind weiterhin angemeldet. Der Helpdesk sagt Ihnen, wie Sie einen einrichten.
ended-no-factor = Ihr Konto hat noch keinen zweiten Schritt
ended-no-factor-text = Ohne ihn kann kein weiterer Anmeldeweg hinzukommen, und es wurde nichts geändert. Melden Sie sich an wie immer; wie Sie einen zweiten Schritt einrichten, sagt Ihnen der Helpdesk.
ended-cancelled = Anmeldung abgebrochen
ended-cancelled-text = Sie sind nicht angemeldet.
ended-finished = Diese Anmeldung ist schon abgeschlossen
ended-finished-text = Sie wurde in einem anderen Tab beendet, oder das Formular wurde zweimal abgeschickt.
locked = Zu viele falsche Codes
locked-text =
    { $minutes ->
        [one] Zum Schutz Ihres Kontos wird noch eine Minute lang kein Code angenommen. Wenn Sie das nicht waren, sagen Sie es dem Helpdesk.
       *[other] Zum Schutz Ihres Kontos wird noch { $minutes } Minuten lang kein Code angenommen. Wenn Sie das nicht waren, sagen Sie es dem Helpdesk.
    }

## Fehler
error-400 = Diese Anfrage war nicht zu verstehen
error-400-text = Ihr Browser hat etwas geschickt, das diese Website nicht lesen kann. Gehen Sie zurück und versuchen Sie es noch einmal, oder beginnen Sie auf der Startseite.
error-403 = Das ist nicht erlaubt
error-403-text = Die Anfrage kam nicht von einer Seite dieser Website, oder Sie dürfen das nicht. Beginnen Sie auf der Startseite neu.
error-404 = Diese Seite gibt es nicht
error-404-text = Prüfen Sie die Adresse oder beginnen Sie auf der Startseite.
error-413 = Das ist zu groß
error-413-text = Was Sie geschickt haben, ist größer, als diese Website annimmt. Schicken Sie eine kleinere Datei.
error-421 = Das ist nicht diese Website
error-421-text = Dieser Server bedient die Adresse nicht, nach der Ihr Browser gefragt hat. Prüfen Sie die Adresse, schließen Sie den Tab und öffnen Sie ihn neu.
error-431 = Der Kopf der Anfrage ist zu groß
error-431-text = Meist haben sich zu viele Cookies angesammelt. Löschen Sie im Browser die Cookies von { $site } und versuchen Sie es noch einmal.
error-500 = Hier ist etwas schiefgegangen
error-500-text = Der Fehler liegt bei uns, nicht bei Ihnen. Bitte versuchen Sie es noch einmal. Kommt er wieder, sagen Sie es dem Helpdesk.
error-502 = Die Lernplattform antwortet nicht
error-502-text = Sie sind hier richtig, aber die Website hinter dieser Seite ist nicht erreichbar oder hat unverständlich geantwortet. Bitte versuchen Sie es in einigen Minuten noch einmal.
error-503 = Zurzeit nicht verfügbar
error-503-text = Das geht im Augenblick nicht. Bitte versuchen Sie es in einer Minute noch einmal.
error-504 = Die Lernplattform braucht zu lange
error-504-text = Die Website hinter dieser Seite hat nicht rechtzeitig geantwortet. Was Sie geschickt haben, kann trotzdem angekommen sein: Sehen Sie nach, bevor Sie es noch einmal schicken.

## Codes that are sent
code-send = Code senden
code-send-again = Noch einen Code senden
code-send-to = Wir senden einen Code an { $to }.
code-sent-to = Ein Code ist unterwegs an { $to }. Das kann eine Minute dauern; sehen Sie auch im Spam-Ordner nach.
problem-code-too-soon = Gerade eben ging ein Code hinaus. Warten Sie eine Minute, bevor Sie noch einen anfordern.
problem-codes-used-up = Vorerst werden Ihnen keine Codes mehr gesendet. Nehmen Sie unten einen anderen Weg, oder fragen Sie Ihren Helpdesk.
problem-code-not-sent = Es konnte kein Code gesendet werden. Nehmen Sie unten einen anderen Weg, oder versuchen Sie es in einigen Minuten noch einmal.
problem-no-address = Das ist keine E-Mail-Adresse. Schreiben Sie sie wie name@example.org.
problem-no-number = Das ist keine Telefonnummer mit Land. Schreiben Sie sie wie +49 170 1234567.
address-email = Bestätigen Sie Ihre E-Mail-Adresse
address-email-label = E-Mail-Adresse
address-sms = Bestätigen Sie Ihre Telefonnummer
address-sms-label = Telefonnummer
address-sms-hint = Mit dem Land, wie +49 170 1234567.
address-why = Bevor Sie einen zweiten Schritt einrichten können, stellt { $site } sicher, dass Sie es sind: Ein Code geht an die E-Mail-Adresse, die von Ihnen bekannt ist.
codes-low = Nur noch wenige Wiederherstellungscodes
codes-low-text = { $left ->
        [0] Das war Ihr letzter Wiederherstellungscode.
        [one] Sie haben noch einen Wiederherstellungscode.
       *[other] Sie haben noch { $left } Wiederherstellungscodes.
    }
codes-low-what = Erstellen Sie bald neue auf der Seite Ihres Kontos auf { $site }. Ohne sie kann Sie nur der Helpdesk einlassen, wenn Ihr Gerät verloren geht.
permit-confirm-address = Damit wieder Codes an Ihre E-Mail-Adresse gehen ({ $source }), beantworten Sie einen Ihrer anderen zweiten Schritte.
mailed = Melden Sie sich gerade an?
mailed-text = Jemand meldet sich mit Ihrem Passwort auf { $site } an:
mailed-when = Wann
mailed-browser = Browser
mailed-address = Netzadresse
mailed-pass = Ja, anmelden
mailed-elsewhere = Wenn Sie das sind: Geben Sie den Code aus der Nachricht in dem Browser ein, in dem Sie sich anmelden, oder öffnen Sie den Link dort. In diesem Browser geht es nicht.
mailed-not-me = Nein, das war ich nicht
mailed-not-me-hint = Das beendet die Anmeldung und benachrichtigt den Helpdesk. Ändern Sie danach Ihr Passwort.
mailed-old = Dieser Link gilt nicht mehr
mailed-old-text = Er ist zu alt oder nicht vollständig. Kopieren Sie die ganze Adresse aus der Nachricht, oder beginnen Sie von vorn.
disowned = Danke. Die Anmeldung wurde beendet.
disowned-text = Wer das versucht hat, kennt Ihr Passwort. Ändern Sie es jetzt, und sprechen Sie mit Ihrem Helpdesk.
recovery-what = Sie lassen Sie ein, wenn Ihre anderen zweiten Schritte nicht zur Hand sind. Neue machen die alten ungültig.
