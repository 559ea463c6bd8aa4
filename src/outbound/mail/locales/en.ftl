# Everything people read in mail, in English. A subject holds nothing that a person chose.

## Every letter
when = When: { $when }
automatic = This message was written by a machine. Nobody reads answers to it.
not-asked = If you did not ask for this, tell your help desk at once.
not-you = If this was not you, change your password and tell your help desk at once.

## Ways to sign in
linked = A way to sign in was added
linked-text = A way to sign in was added to your account at { $site }: { $source }. Whoever can sign in there can now use your account.
unlinked = A way to sign in was removed
unlinked-text = A way to sign in was removed from your account at { $site }: { $source }.
primary = Your main way to sign in has changed
primary-text = Your account at { $site } is now asked first at: { $source }.

## Factors and passwords
enrolled = A second step was set up
enrolled-totp = An authenticator app was set up as the second step for your account at { $site }.
enrolled-webauthn = A security key or passkey was set up as the second step for your account at { $site }.
enrolled-email = This or another e-mail address was set up as the second step for your account at { $site }.
enrolled-sms = A phone number was set up as the second step for your account at { $site }.
enrolled-recovery = New recovery codes were made for your account at { $site }. Older ones no longer work.
revoked = A second step was taken away
revoked-text = The help desk took a second step away from your account at { $site }: { $factor ->
    [totp] an authenticator app
    [webauthn] a security key or passkey
    [email] an e-mail address
    [sms] a phone number
   *[recovery] recovery codes
}. What was signed in with it has been signed out.
exempted = You are let in without a second step for a while
exempted-text = The help desk lets you sign in to { $site } without a second step until { $until }.
password = Your password was changed
password-text = The password of your account at { $site } was changed.

## To administrators
break-glass = The emergency account was used
break-glass-text = Somebody signed in to { $site } with the emergency account { $user }, from the address { $address }.
break-glass-advice = If nobody of you did this, disable the account and look at the audit log at once.

## vestibule mail test
test = A test of the mail settings
test-text = This message shows that vestibule can send mail.
test-advice = There is nothing to do.
