# SPDX-License-Identifier: GPL-3.0-or-later
"""A member machine that poses as a domain controller, on port 389.

It has an ldap/ service principal of its own, as whoever owns a computer account
can give it one, passes Kerberos on to a real KDC, says yes to every bind and answers every search: the root DSE in the
domain's name, and one user that the domain does not have.  What it was asked
is in its log, a JSON object a line, so that a test sees what a client told
it.  Only what LDAP needs of BER is here.

rogue.py DOMAIN LOG KDC
"""

import json
import socket
import socketserver
import sys
import threading

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


def result(tag):
    return tlv(tag, tlv(0x0a, b"\0"), text(""), text(""))


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

    def note(self, tag, size):
        with open(LOG, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({
                "from": self.client_address[0], "bytes": size,
                "asked": NAMES.get(tag, hex(tag))}) + "\n")

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
            self.note(tag, len(message))
            if tag == UNBIND:
                return
            for answer in self.answers(tag, body):
                self.wfile.write(tlv(0x30, tlv(0x02, number), answer))


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
    DOMAIN, LOG, KDC = sys.argv[1:]
    BASE = ",".join(f"DC={part}" for part in DOMAIN.split("."))
    for each in (Server(("", 88), Relay),
                 DatagramServer(("", 88), DatagramRelay)):
        threading.Thread(target=each.serve_forever, daemon=True).start()
    Server(("", 389), Rogue).serve_forever()
