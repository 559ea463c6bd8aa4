# Everything people read, in English. One message per sentence that stands alone; no markup.

## Every page
title-problem = Error:
request-id = If you contact your help desk, give this reference:
signing-in-as = Signing in as
continue = Continue
cancel = Cancel sign-in
cancel-action = Cancel
account-of = Account:
digits = The digits of the code, for example 123 456
next-sign-in = Back to sign-in
next-continue = Continue
next-account = To your account
next-retry = Try again
next-start = Go to the start page

## The second step
trust-browser = Do not ask for the second step in this browser for a while
trust-browser-hint = Only where nobody else uses it. You can take it back in your account.
challenge-totp = Enter your code
challenge-totp-label = Code from the app
challenge-totp-hint = Open your authenticator app and enter the code that it shows now.
challenge-recovery = Enter a recovery code
challenge-recovery-label = Recovery code
challenge-recovery-hint = One of the ten codes you were given when you set up your app. Each works once.
use-totp = Use your authenticator app
challenge-webauthn = Use your security key or passkey
challenge-webauthn-label = Security key or passkey
challenge-webauthn-hint = Your device or security key asks you to confirm, for example with its PIN, your fingerprint or your face.
challenge-email = Enter the code we mail you
challenge-email-label = Six-digit code
challenge-email-hint = It is good for ten minutes, and only here.
challenge-sms = Enter the code we send you
challenge-sms-label = Six-digit code
challenge-sms-hint = It is good for ten minutes, and only here.
use-webauthn = Use a security key or passkey
use-email = Get a code by e-mail
use-sms = Get a code by text message
use-recovery = Use a recovery code
why-network = You are asked because you are not on the site’s own network.
why-device = You are asked because this browser is not trusted, or not any more.
why-grace = The time in which you could sign in without a second step is over (until { $date }).
why-again = This part of the site asks again, even if you have answered before.
not-at-hand = None of these at hand?
not-at-hand-text = Use a recovery code if you kept some. Otherwise ask your help desk: they will ask who you are, and can then help you in.

## A day in words
date-long = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[other] December
} { $year }

## A passkey's part of a page
passkey-use = Continue with the passkey
passkey-noscript = A passkey needs JavaScript, which is switched off in this browser. Use another way.
passkey-unsupported = This browser cannot use passkeys. Use another way.
passkey-failed = Nothing came back: it was cancelled, took too long, or this device has no passkey for you. Try again, or use another way.
passkey-failed-here = Nothing came back: it was cancelled, took too long, or this device has no passkey for this site. Try again, or sign in with your password.
passkey-present = This device or security key is set up for your account already. Use another one.

## The help desk's code
help-desk = Set up your second step
help-desk-why = { $site } asks for a second step at sign-in, and none is set up for your account yet.
help-desk-how = Your help desk gives you a one-time code to set it up. They will ask who you are.
help-desk-label = Code from your help desk

## Signing in here
sign-in = Sign in to { $site }
username = User name
password = Password
sign-in-submit = Sign in
sign-in-passkey = Sign in with a passkey
sign-in-guest = Look around as a guest
sign-in-unavailable = Sign-in may be temporarily unavailable
sign-in-unavailable-text = A directory that sign-in needs does not answer. If your user name and password are right, please try again in a few minutes.

## The LMS's own password, once
lms-password = One more thing, this once
lms-password-why = { $site } already has an account with your name, from before this way of signing in.
lms-password-how = Enter the password that you have used there until now. If that account is not yours, cancel and tell your help desk.
lms-password-username = User name there:
lms-password-label = Password used until now

## Somebody's own account
account = Your account
account-back = Back to { $site }
account-onward = Later: on to where you were going
factors = Second steps
factors-none = Your account has no second step that counts here. Your help desk tells you how to set one up.
factor-added = Added on
factor-used = Last used
factor-unused = Not used since
factor-suspended = not in use
factor-confirm-address = Confirm this address
factor-change = Change ‘{ $name }’
factor-label = New name
factor-rename = Rename
factor-remove = Remove ‘{ $name }’
kind-totp = Authenticator app
kind-webauthn = Security key or passkey
kind-email = Codes by e-mail
kind-sms = Codes by text message
kind-recovery = Recovery code
add-totp = Add an authenticator app
add-webauthn = Add a security key or passkey
add-email = Add an e-mail address
add-sms = Add a phone number
add-recovery = Get recovery codes
set-up = Set up a second step
set-up-why = With a second step, nobody gets into your account who has found out your password.
set-up-by-help-desk = You need a one-time code from your help desk for it.
set-up-due = { $site } asks for a second step soon. Set one up until { $date }; after that you cannot sign in without.
recovery = Recovery codes
recovery-left = { $left ->
    [0] You have no recovery codes left.
    [one] You have one recovery code left.
   *[other] You have { $left } recovery codes left.
}
recovery-low = Get new ones while you still can.
recovery-new = Get new recovery codes
devices = Trusted browsers
devices-why = These browsers are not asked for your second step.
device-until = Trusted until
device-forget = Ask there again
sessions = Where you are signed in
session-current = this one
session-end = Sign out there
sessions-end-others = Sign out in all other browsers
sessions-end-everything = Sign out everywhere
sessions-everything-hint = This browser, all others, all apps and all trusted browsers. You then sign in again.
browser-unknown = Unknown browser
line-address = Network address:
line-seen = Last seen
apps = Apps
app-unknown = Unknown app
app-service = Service:
app-issued = Signed in on
app-end = Sign this app out
signed-out = You are signed out everywhere
signed-out-text = All sessions, apps and trusted browsers of your account have ended.
own-password = Confirm with your password
own-password-why = Before you set up a second step, sign in once more. Whoever finds this browser open cannot do it in your place.
ways = Ways to sign in
way-primary = primary
way-linked = Added on
way-current = You are signed in with it now.
way-make-primary = Make ‘{ $source }’ the primary way
way-unlink = Remove ‘{ $source }’
ways-link = Add another way to sign in
ways-no-factor = Ways to sign in can be added or removed once your account has a second step, such as an authenticator app. Your help desk tells you how to set it up.

## A code for one named action
permit = Confirm that it is you
permit-link = To add another way to sign in to your account, enter a code.
permit-unlink = To remove ‘{ $source }’ from your account, enter a code.
permit-primary = To make ‘{ $source }’ the primary way to sign in to your account, enter a code.
permit-add-totp = To add an authenticator app to your account, use one of your present second steps.
permit-add-webauthn = To add a security key or passkey to your account, use one of your present second steps.
permit-add-email = To add an e-mail address as a second step, use one of your present second steps.
permit-add-sms = To add a phone number as a second step, use one of your present second steps.
permit-remove = To remove ‘{ $source }’ from your account, use one of your second steps.
permit-rename = To give ‘{ $source }’ another name, use one of your second steps.
permit-codes = To get new recovery codes, use one of your second steps. The old ones stop working.
permit-open = To open ‘{ $source }’, use one of your second steps again.
permit-open-administration = To open the administration of { $site }, use one of your second steps again.
permit-open-email-address = To change the address that mail goes to, use one of your second steps again.
permit-open-grade-export = To export grades, use one of your second steps again.
permit-open-login-as = To use { $site } as somebody else, use one of your second steps again.
permit-open-roles = To give or take away roles and enrolments, use one of your second steps again.
permit-open-tokens = To see or change access keys of apps and services, use one of your second steps again.
permit-send = Before your form goes to ‘{ $source }’, use one of your second steps again. What you wrote is kept for a few minutes; you decide afterwards whether it is sent.
permit-adopt = To sign in to this account with ‘{ $source }’ from now on, enter a code.

## A form that had to wait
send = Send your form?
send-what = You were about to send a form to this page of { $site }:
send-why = It has not been sent yet. If you do not remember it, discard it.
send-now = Send it now
send-discard = Discard it
not-kept = Your form was not sent
not-kept-what = You were about to send something to this page of { $site }:
not-kept-large = It is larger than what can be kept while you confirm that it is you.
not-kept-files = Files, and forms that can carry files, are never kept while you confirm that it is you.
not-kept-many = Several of your forms are waiting already. Send or discard them, or wait ten minutes.
not-kept-unclear = Your browser does not say clearly that you sent it yourself from a page of this site, or it holds a password. Such forms are never kept.
not-kept-how = Nothing was sent and nothing is kept here. Open the page, confirm that it is you, then go back to your form and send it again.
not-kept-next = Open the page

## Adding another way
second = Add another way to sign in
second-why = Sign in once with the way that you want to add. This shows that it is yours.
second-which = Where is it from?
join = Add this way to sign in?
join-this = Your account here
join-that = To be added
join-nameless = the account you are signed in to
join-why = From then on, whoever signs in to { $site } with ‘{ $source }’ under this name is in your account.
join-submit = Add ‘{ $source }’

## Somebody whose address is known
offer = Do you have an account here already?
offer-why = You have signed in with ‘{ $source }’. There is already an account on { $site } with your e-mail address { $address }.
offer-mine = It is mine
offer-mine-text = Sign in to it the way you always have, and ‘{ $source }’ is added to it.
offer-mine-submit = This is me
offer-other = It is somebody else’s
offer-other-text = You get an account of your own beside it.
offer-other-submit = Create a new account

## Going elsewhere
away = On to ‘{ $source }’
away-text = You sign in there, and come back here.

## Setting up
enrol = Set up your authenticator app
enrol-why = From now on, { $site } asks for a code from your phone as well as your password.
enrol-app = Get an authenticator app
enrol-app-text = Any app for one-time codes will do. If you have one already, use that.
enrol-scan = Scan this picture with the app
enrol-qr = QR code with the key for your authenticator app. The same key is given as text below.
enrol-here = The app is on this device: open it
enrol-key = Or type this key into the app:
enrol-confirm = Finish with a code
enrol-code = Code the app shows now
enrol-label = Name of this device (optional)
enrol-label-hint = So that you know it again, for example: my phone.
enrol-further = Besides what you have already, you can then use codes from this app as well.
enrol-confirm-hint = { $digits ->
    [8] Eight digits. They show that both sides agree.
   *[other] Six digits. They show that both sides agree.
}
enrol-submit = Finish set-up

## Setting up a passkey
enrol-passkey = Set up a security key or passkey
enrol-passkey-why = A passkey stays on your device or security key, and works only on { $site }. From now on you are asked for it when you sign in.
enrol-passkey-label = What do you call it?
enrol-passkey-label-hint = So that you know it again, for example “Work laptop”. You may leave it empty.
enrol-passkey-submit = Set it up

## Recovery codes
codes = Keep your recovery codes
codes-why = If you lose your phone, one of these codes lets you in instead. They are shown only now: print them or save them where you will find them, but not only on the phone.
codes-list = Recovery codes
codes-once = Each code works once.
codes-download = Save as a file
codes-print = Print
codes-kept = I have kept them: continue
codes-file = Recovery codes for { $site }

## What was wrong with an answer
problem-wrong-totp = That code is not right. Enter the code your app shows now. If it keeps happening, check that your phone sets its time automatically.
problem-wrong-recovery = That recovery code is not right. Check each character, or use another one.
problem-wrong-help-desk = That code is not right, or no longer valid. Check it, or ask your help desk for a new one.
problem-wrong-enrol = That code does not fit this key. Make sure you scanned this picture, and that your phone sets its time automatically.
problem-wrong-webauthn = That did not work. Try again, or use another way.
problem-wrong-sent = That code is not right, or no longer valid. Check it, or get a new one.
problem-incomplete-sent = Enter the six digits of the code we sent.
problem-clock-fast = That code is one your phone will be right about later: its clock is about { $minutes ->
    [one] a minute
   *[other] { $minutes } minutes
} fast. Let it set its time automatically, then enter a new code.
problem-clock-slow = That code is from a while ago: your phone’s clock is about { $minutes ->
    [one] a minute
   *[other] { $minutes } minutes
} slow. Let it set its time automatically, then enter a new code.
problem-used-totp = That code has been used already. Wait until your app shows a new one.
problem-used-recovery = That recovery code has been used already. Use another one.
problem-incomplete-totp = Enter all digits of the code that your app shows.
problem-incomplete-recovery = Enter the whole recovery code: ten letters and digits.
problem-incomplete-help-desk = Enter the whole code from your help desk.
problem-sign-in = That user name or password is not right. Please try again.
problem-sign-in-elsewhere = That way of signing in did not work. Please try again from here.
problem-sign-in-passkey = That passkey was not accepted. Please try again, or sign in with your password.
problem-sign-in-unavailable = Sign-in may be temporarily unavailable: a directory that it needs does not answer. If your user name and password are right, please try again in a few minutes.
problem-wrong-lms-password = That is not the password on the learning site.
problem-incomplete-lms-password = Enter the password.
problem-form-expired = This page was open in another tab or for too long. Please enter the code again.
problem-form-expired-again = This page was open in another tab or for too long. Please try again.

## Ends
ended-expired = This sign-in has expired
ended-expired-text = For your protection a sign-in has to be finished within ten minutes. Please start again.
ended-attempts = Too many wrong codes
ended-attempts-text = This sign-in was ended after several wrong codes. You can start again with your password.
ended-refused = This sign-in could not be completed
ended-refused-text = Your account here and the one on the learning site do not belong together. Please tell your help desk.
ended-taken = This is already linked to another account
ended-taken-text = Nothing was changed. If both accounts are yours, your help desk can bring them together.
ended-factor-taken = This is in use already
ended-factor-taken-text = Nothing was changed: the same key or address already belongs to an account.
ended-factors-full = Your account has as many second steps as it can have
ended-factors-full-text = Nothing was changed. Remove one that you no longer use first.
ended-nothing-to-ask = This needs a second step
ended-nothing-to-ask-text = Your account has no second step that counts here, so this page stays closed. You are still signed in. Your help desk tells you how to set one up.
ended-no-factor = Your account has no second step yet
ended-no-factor-text = Without one, no other way to sign in can be added to it, and nothing was changed. Sign in the way you always have; your help desk tells you how to set up a second step.
ended-cancelled = Sign-in cancelled
ended-cancelled-text = You are not signed in.
ended-finished = This sign-in is already finished
ended-finished-text = It was completed in another tab, or the form was sent twice.
locked = Too many wrong codes
locked-text =
    { $minutes ->
        [one] To protect your account, no codes are accepted for another minute. If this was not you, tell your help desk.
       *[other] To protect your account, no codes are accepted for another { $minutes } minutes. If this was not you, tell your help desk.
    }

## Errors
error-400 = That request could not be understood
error-400-text = Your browser sent something this site cannot read. Go back and try again, or begin at the start page.
error-403 = That is not allowed
error-403-text = The request did not come from a page of this site, or you may not do this. Begin again at the start page.
error-404 = There is no such page
error-404-text = Check the address, or begin at the start page.
error-413 = That is too large
error-413-text = What you sent is larger than this site accepts. Send a smaller file.
error-421 = That is not this site
error-421-text = This server does not serve the address your browser asked for. Check the address, close the tab and open it anew.
error-431 = The request's header is too large
error-431-text = Usually too many cookies have collected. Delete the cookies of { $site } in your browser and try again.
error-500 = Something went wrong here
error-500-text = The fault is ours, not yours. Please try again. If it happens again, tell your help desk.
error-502 = The learning site does not answer
error-502-text = You are in the right place, but the site behind this page cannot be reached or answered with nonsense. Please try again in a few minutes.
error-503 = Temporarily unavailable
error-503-text = This service cannot do that at the moment. Please try again in a minute.
error-504 = The learning site takes too long
error-504-text = The site behind this page did not answer in time. What you sent may have arrived all the same: look before you send it again.

## Codes that are sent
code-send = Send me a code
code-send-again = Send another code
code-send-to = We send a code to { $to }.
code-sent-to = A code is on its way to { $to }. It can take a minute; look into the spam folder too.
problem-code-too-soon = A code went out a moment ago. Wait a minute before you ask for another one.
problem-codes-used-up = No more codes are sent to you for now. Use another way below, or ask your help desk.
problem-code-not-sent = No code could be sent. Use another way below, or try again in a few minutes.
problem-no-address = That is not a mail address. Write it as in name@example.org.
problem-no-number = That is not a phone number with its country. Write it as in +49 170 1234567.
address-email = Confirm your mail address
address-email-label = Mail address
address-sms = Confirm your phone number
address-sms-label = Phone number
address-sms-hint = With the country, as in +49 170 1234567.
address-why = Before you can set up a second step, { $site } makes sure that it is you: it sends a code to the mail address that is known for you.
codes-low = Few recovery codes are left
codes-low-text = { $left ->
        [0] That was your last recovery code.
        [one] You have one recovery code left.
       *[other] You have { $left } recovery codes left.
    }
codes-low-what = Make new ones on your account's page at { $site } soon. Without them nobody but the help desk can let you in when your device is lost.
permit-confirm-address = To use your mail address for codes again ({ $source }), answer one of your other second steps.
mailed = Is this you signing in?
mailed-text = Somebody is signing in to { $site } with your password:
mailed-when = When
mailed-browser = Browser
mailed-address = Network address
mailed-pass = Yes, sign me in
mailed-elsewhere = If it is you: type the code from the letter in the browser where you are signing in, or open the link there. It does not work in this browser.
mailed-not-me = No, this was not me
mailed-not-me-hint = This ends the sign-in and tells the help desk. Change your password afterwards.
mailed-old = This link is no longer good
mailed-old-text = It is too old, or not complete. Copy the whole address from the letter, or begin again.
disowned = Thank you. The sign-in was ended.
disowned-text = Whoever tried it knows your password. Change it now, and speak to your help desk.
recovery-what = They let you in when your other second steps are not at hand. New ones make the old ones void.
