# SPDX-License-Identifier: GPL-3.0-or-later
"""A member machine that poses as a domain controller, on port 389.

It has an ldap/ service principal of its own, as whoever owns a computer account
can give it one, passes Kerberos on to a real KDC, says yes to every bind and answers every search: the root DSE in the
domain's name, and one user that the domain does not have.  What it was asked
is in its log, a JSON object a line, so that a test sees what a client told
it.  Only what LDAP needs of BER is here.

With a keytab, a key and two certificates it does not say yes: it has StartTLS
and port 636, where it shows the first one, and takes a bind only by a ticket
for that keytab which is bound to the second (RFC 5929 4, RFC 4121 4.1.1.2),
like a domain controller that requires channel binding
(LdapEnforceChannelBinding 2).  Where the two differ it is that controller
behind a man in the middle.

rogue.py DOMAIN LOG KDC [KEYTAB KEY SHOWN BOUND]
"""

import hashlib
import json
import socket
import socketserver
import ssl
import sys
import threading
from pathlib import Path

BIND, UNBIND, SEARCH, EXTENDED = 0x60, 0x42, 0x63, 0x77
NAMES = {BIND: "bind", UNBIND: "unbind", SEARCH: "search",
         EXTENDED: "extended"}


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 128:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes(4, "big")
    return bytes((tag, 0x84)) + length + body


def text(value):
    return tlv(0x04, value.encode())


def parse(data, at=0):
    """(tag, content, where the next one begins)."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7f
        length = int.from_bytes(data[at:at + count], "big")
        at += count
    return tag, data[at:at + length], at + length


SUCCESS, IN_PROGRESS, INVALID_CREDENTIALS = 0, 14, 49


def result(tag, code=SUCCESS, why="", *more):
    return tlv(tag, tlv(0x0a, bytes((code,))), text(""), text(why), *more)


def entry(dn, attributes):
    return tlv(0x64, text(dn), tlv(0x30, *(
        tlv(0x30, text(name), tlv(0x31, *map(text, values)))
        for name, values in attributes.items())))


class Rogue(socketserver.StreamRequestHandler):
    def read_message(self):
        head = self.rfile.read(2)
        if len(head) < 2:
            return None
        if head[1] & 0x80:
            head += self.rfile.read(head[1] & 0x7f)
            length = int.from_bytes(head[2:], "big")
        else:
            length = head[1]
        if length > 1 << 20:
            return None
        return self.rfile.read(length)

    def note(self, **what):
        with open(LOG, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({
                "from": self.client_address[0], **what}) + "\n")

    def answers(self, tag, body):
        if tag == BIND:
            return [result(0x61)]
        if tag != SEARCH:
            return [result(tag + 1)]
        _, base, at = parse(body)
        _, scope, _ = parse(body, at)
        if base == b"" and scope == b"\0":
            found = entry("", {
                "defaultNamingContext": [BASE], "namingContexts": [BASE],
                "dnsHostName": [f"rogue1.{DOMAIN}"],
                "supportedLDAPVersion": ["3"],
                "supportedSASLMechanisms": ["GSSAPI", "GSS-SPNEGO"]})
        else:
            found = entry(f"CN=Mallory,{BASE}", {
                "objectClass": ["top", "person", "user"],
                "sAMAccountName": ["rogue-user"],
                "userPrincipalName": [f"rogue-user@{DOMAIN}"]})
        return [found, result(0x65)]

    def handle(self):
        while message := self.read_message():
            _, number, at = parse(message)
            tag, body, _ = parse(message, at)
            self.note(bytes=len(message), asked=NAMES.get(tag, hex(tag)))
            if tag == UNBIND:
                return
            for answer in self.answers(tag, body):
                self.wfile.write(tlv(0x30, tlv(0x02, number), answer))


class Bound(Rogue):
    """What proves that a client binds its ticket to the certificate."""

    context = None

    def setup(self):
        if self.server.server_address[1] == 636:
            self.request = TLS.wrap_socket(self.request, server_side=True)
        super().setup()

    def answers(self, tag, body):
        if tag == BIND:
            yield self.bind(body)
            return
        yield from super().answers(tag, body)
        if tag == EXTENDED:
            self.request = TLS.wrap_socket(self.request, server_side=True)
            super().setup()

    def bind(self, body):
        """A step of SASL's GSSAPI, without a layer (RFC 4752 3.1)."""
        _, _, at = parse(body)          # the version
        _, _, at = parse(body, at)      # no name
        _, sasl, _ = parse(body, at)
        _, _, at = parse(sasl)          # the mechanism
        token = parse(sasl, at)[1] if at < len(sasl) else b""
        try:
            code, token = self.step(token)
        except gssapi.exceptions.GSSError as error:
            self.note(refused=str(error))
            return result(0x61, INVALID_CREDENTIALS, str(error))
        if code == SUCCESS:
            flags = self.context.actual_flags
            if gssapi.RequirementFlag.channel_bound not in flags:
                self.note(refused="no channel binding")
                return result(0x61, INVALID_CREDENTIALS, "no channel binding")
            self.note(bound=str(self.context.initiator_name))
        return result(0x61, code, "", tlv(0x87, token or b""))

    def step(self, token):
        if self.context is None:
            self.context = gssapi.SecurityContext(
                usage="accept", creds=CREDENTIALS,
                channel_bindings=BINDINGS)
        if not self.context.complete:
            return IN_PROGRESS, self.context.step(token)
        if not token:
            return IN_PROGRESS, self.context.wrap(b"\1\0\0\0", False).message
        self.context.unwrap(token)
        return SUCCESS, b""


class Relay(socketserver.StreamRequestHandler):
    """One request to the real KDC, and its answer (RFC 4120 7.2.2)."""

    def handle(self):
        with socket.create_connection((KDC, 88), timeout=10) as kdc:
            stream = kdc.makefile("rwb")
            for source, sink in ((self.rfile, stream), (stream, self.wfile)):
                head = source.read(4)
                sink.write(head + source.read(int.from_bytes(head, "big")))
                sink.flush()


class DatagramRelay(socketserver.DatagramRequestHandler):
    def handle(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kdc:
            kdc.settimeout(10)
            kdc.sendto(self.rfile.read(), (KDC, 88))
            self.wfile.write(kdc.recv(1 << 16))


class DatagramServer(socketserver.ThreadingUDPServer):
    max_packet_size = 1 << 16
    daemon_threads = True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    DOMAIN, LOG, KDC, *bound = sys.argv[1:]
    BASE = ",".join(f"DC={part}" for part in DOMAIN.split("."))
    servers = [Server(("", 88), Relay),
               DatagramServer(("", 88), DatagramRelay)]
    if bound:
        import gssapi
        KEYTAB, KEY, SHOWN, BOUND = bound
        # A refusal is a result, not a token for the client to find out.
        gssapi.SecurityContext.__DEFER_STEP_ERRORS__ = False
        CREDENTIALS = gssapi.Credentials(usage="accept",
                                         store={"keytab": KEYTAB})
        TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        TLS.load_cert_chain(SHOWN, KEY)
        BINDINGS = gssapi.raw.ChannelBindings(
            application_data=b"tls-server-end-point:" + hashlib.sha256(
                ssl.PEM_cert_to_DER_cert(Path(BOUND).read_text())).digest())
        servers.append(Server(("", 636), Bound))
    for each in servers:
        threading.Thread(target=each.serve_forever, daemon=True).start()
    Server(("", 389), Bound if bound else Rogue).serve_forever()
