# Everything people read in mail, in English. A subject holds nothing that a person chose.

## Every letter
when = When: { $when }
automatic = This message was written by a machine. Nobody reads answers to it.
not-you = If this was not you, change your password and tell your help desk at once.

## Ways to sign in
linked = A way to sign in was added
linked-text = A way to sign in was added to your account at { $site }: { $source }. Whoever can sign in there can now use your account.
unlinked = A way to sign in was removed
unlinked-text = A way to sign in was removed from your account at { $site }: { $source }.
primary = Your main way to sign in has changed
primary-text = Your account at { $site } is now asked first at: { $source }.

## Codes
code = Your code for signing in
code-text = Somebody is signing in to your account at { $site }, from the address { $address } with { $browser }. If that is you, type this code:
code-where = It is good for 10 minutes, once, and only where you were asked for it.
code-link = Instead of typing it, you can open this page in the browser where you are signing in. If it was not you, open it in any browser and say so there:
code-advice = Give this code to nobody, whoever asks: not on the phone, not to the help desk.

## Factors and passwords
enrolled = A second step was set up
enrolled-text = { $factor ->
        [totp] An authenticator app was set up as a second step for your account at { $site }.
        [webauthn] A security key or passkey was set up as a second step for your account at { $site }.
        [email] A mail address was set up as a second step for your account at { $site }.
        [sms] A phone number was set up as a second step for your account at { $site }.
        [recovery] New recovery codes were made for your account at { $site }. Older ones no longer work.
       *[other] A second step was set up for your account at { $site }.
    }
first = Your account has a second step now
first-text = { $factor ->
        [totp] Somebody signed in to your account at { $site } and set up an authenticator app as its first second step. From now on it is needed for signing in.
        [webauthn] Somebody signed in to your account at { $site } and set up a security key or passkey as its first second step. From now on it is needed for signing in.
        [email] Somebody signed in to your account at { $site } and set up a mail address as its first second step. From now on it is needed for signing in.
        [sms] Somebody signed in to your account at { $site } and set up a phone number as its first second step. From now on it is needed for signing in.
       *[other] Somebody signed in to your account at { $site } and set up its first second step. From now on it is needed for signing in.
    }
removed = A second step was removed
removed-text = { $factor ->
        [totp] An authenticator app was removed from your account at { $site }: { $label }.
        [webauthn] A security key or passkey was removed from your account at { $site }: { $label }.
        [email] A mail address was removed from the second steps of your account at { $site }: { $label }.
        [sms] A phone number was removed from the second steps of your account at { $site }: { $label }.
        [recovery] The recovery codes of your account at { $site } were removed.
       *[other] A second step was removed from your account at { $site }: { $label }.
    }
renamed = A second step has another name
renamed-text = { $factor ->
        [totp] An authenticator app of your account at { $site } was called { $label } and is now called { $to }.
        [webauthn] A security key or passkey of your account at { $site } was called { $label } and is now called { $to }.
       *[other] A second step of your account at { $site } was called { $label } and is now called { $to }.
    }
suspended = A second step was suspended
suspended-text = { $factor ->
        [webauthn] A security key of your account at { $site } behaved as if somebody had a copy of it, and is not accepted any more: { $label }.
        [email] A mail address of your account at { $site } is not used for codes at present, because another address is known for you now: { $label }.
       *[other] A second step of your account at { $site } is not accepted at present: { $label }.
    }
suspended-advice = Sign in with another second step and look at your account's page. If you have none, or do not know why this happened, ask your help desk.
reset = Your second steps were removed
reset-text = Your help desk removed all second steps of your account at { $site }. To sign in you need a code from your help desk.
reset-advice = If you did not ask for this, tell your help desk at once.
codes-made = New recovery codes were made
codes-made-text = New recovery codes were made for your account at { $site }. Older ones no longer work.
code-used = A recovery code was used
code-used-text = { $left ->
        [0] Somebody signed in to your account at { $site } with a recovery code. It was the last one: make new ones on your account's page now.
        [one] Somebody signed in to your account at { $site } with a recovery code. One is left: make new ones on your account's page soon.
        [2] Somebody signed in to your account at { $site } with a recovery code. 2 are left: make new ones on your account's page soon.
        [3] Somebody signed in to your account at { $site } with a recovery code. 3 are left: make new ones on your account's page soon.
       *[other] Somebody signed in to your account at { $site } with a recovery code. { $left } are left.
    }
address-soon = Your mail address is about to change
address-soon-text = Another mail address is known for your account at { $site } now. Codes go neither to this address nor to the new one until the change was confirmed with another second step.
address = Your codes go to another address
address-text = Codes for your account at { $site } no longer go to this address. The change was confirmed with another second step.
bypass = Your second step is off for a while
bypass-text = Your help desk lets your account at { $site } in without its second step until { $until }.
bypass-advice = If you did not ask for this, tell your help desk at once.
stolen = A trusted device may have been copied
stolen-text = Two browsers presented themselves at { $site } as your trusted device { $label }, the second from the address { $address } with { $browser }. That device is not trusted any more, and the second step is asked there again.
grace = You need a second step soon
grace-text = From { $until } on you need a second step to sign in to { $site }, and you have none yet.
grace-advice = Set one up before: sign in and open your account's page. It takes a few minutes.
password = Your password was changed
password-text = The password of your account at { $site } was changed.

## To the help desk
not-me = Somebody says that a sign-in was not theirs
not-me-text = A code for signing in to { $site } was mailed to the owner of the account { $account }, who says: this was not me. Whoever signed in knows the account's password. The request came from the address { $address } with { $browser }, and was ended.
not-me-advice = Speak to the account's owner by a way that you know. The password has to be changed.

## To administrators
break-glass = The emergency account was used
break-glass-text = Somebody signed in to { $site } with the emergency account { $user }, from the address { $address }.
break-glass-advice = If nobody of you did this, disable the account and look at the audit log at once.

## vestibule mail test
test = A test of the mail settings
test-text = This message shows that vestibule can send mail.
test-advice = There is nothing to do.
