"""A mail server that keeps what it gets, for the gateway's tests: python3-aiosmtpd, told how to behave.

Arguments: PORT FOLDER [tls|starttls] [auth]
FOLDER/behaviour holds one word, read anew for each connection and letter:
  ok      takes everything
  421     closes with 421 at MAIL
  450     does not take a letter yet
  550     refuses a letter for good
  slow    does not answer MAIL
FOLDER/cert.pem, key.pem are its certificate. A letter becomes FOLDER/mail/N.json, read by Python's own parser; what
clients said becomes FOLDER/log.
"""

import asyncio, email, email.policy, itertools, json, os, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult

port, folder, words = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
count = itertools.count(len(os.listdir(f"{folder}/mail")))


def behaviour():
    with open(f"{folder}/behaviour") as file:
        return file.read().strip()


def note(line):
    with open(f"{folder}/log", "a") as file:
        file.write(line + "\n")


def over_tls(server):
    return server.transport.get_extra_info("ssl_object") is not None


class Handler:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        note("EHLO" + (" over TLS" if over_tls(server) else ""))
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        note(f"MAIL {address}")
        match behaviour():
            case "421":
                return "421 4.3.2 closing, try later"
            case "450":
                return "450 4.2.0 not yet"
            case "550":
                return "550 5.7.1 never"
            case "slow":
                await asyncio.sleep(3600)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = lambda kind: (lambda part: part.get_content() if part else None)(message.get_body((kind,)))
        letter = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": over_tls(server),
            "user": session.auth_data.login.decode() if session.authenticated else None,
            "headers": [[name, str(value)] for name, value in message.items()],
            "type": message.get_content_type(),
            "text": body("plain"),
            "html": body("html"),
        }
        n = next(count)
        with open(f"{folder}/new", "w") as file:
            json.dump(letter, file)
        os.rename(f"{folder}/new", f"{folder}/mail/{n}.json")
        return f"250 kept as {n}"


def authenticator(server, session, envelope, mechanism, data):
    note(f"AUTH {mechanism}" + ("" if over_tls(server) else " in the clear"))
    right = data.login == b"vestibule" and data.password == b"mail-secret"
    return AuthResult(success=right, handled=right, auth_data=data)


def context():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
    return tls


def session():
    auth = {"authenticator": authenticator, "auth_required": True} if "auth" in words else {}
    if "starttls" in words:
        return SMTP(Handler(), tls_context=context(), require_starttls=True, **auth)
    return SMTP(Handler(), auth_require_tls=False, **auth)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", port, ssl=context() if "tls" in words else None)
    await server.serve_forever()


asyncio.run(main())
