#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs dssync-sync alone, standing in for its two peers: the monitor on
descriptor 3 and dssync-auth on descriptor 4 (lib/proto.h).

As root on a joined host.  The ticket cache is made with kinit and kvno from
the host's keytab and then cut down to the one service ticket, filed under
ldap/HOST@REALM.  Reads commands from standard input:

    pull FLAGS    asks for a pull and waits until it is done or failed
    wait SECONDS  serves the peers for so long
    memory        prints what the process uses
    restage       asks for the snapshots again
    status        prints the last status
    look GUID     asks for one object, and prints the answer as JSON
    quit
"""
import argparse
import json
import os
import pwd
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid

HEADER = struct.Struct("<IHHI")
VERSION = 1
PULL, STAGED, PUBLISHED, RESTAGE, CHILD_STATUS = 64, 65, 66, 67, 69
DC_TICKET, DC_TICKET_REPLY, LOOK, LOOK_REPLY = 96, 97, 98, 99


def blob(data):
    return struct.pack("<I", len(data)) + data


class Cache:
    """A credential cache in FILE format version 4."""

    def __init__(self, data):
        self.data, self.pos = data, 0
        assert self.take(2) == b"\x05\x04"
        self.header = self.take(self.u16())
        start = self.pos
        self.principal()
        self.client = data[start:self.pos]
        self.creds = []
        while self.pos < len(data):
            self.creds.append(self.credential())

    def take(self, n):
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def counted(self):
        return self.take(self.u32())

    def principal(self):
        kind, count = self.u32(), self.u32()
        realm = self.counted()
        return kind, realm, [self.counted() for _ in range(count)]

    def credential(self):
        self.principal()
        before = self.pos
        server = self.principal()
        after = self.pos
        self.u16(), self.counted()  # key
        self.take(16 + 1 + 4)       # times, is_skey, flags
        for _ in range(2):          # addresses, authdata
            for _ in range(self.u32()):
                self.u16(), self.counted()
        self.counted(), self.counted()  # ticket, second ticket
        return server, self.data[before:after], self.data[after:self.pos]

    def only(self, host, two_parts=True):
        """A cache with nothing but the ticket for ldap/host/..."""
        for (kind, realm, parts), raw, rest in self.creds:
            if len(parts) == 3 and parts[:2] == [b"ldap", host.encode()]:
                if two_parts:
                    parts = parts[:2]
                    raw = struct.pack(">II", kind, len(parts))
                    raw += struct.pack(">I", len(realm)) + realm
                    for part in parts:
                        raw += struct.pack(">I", len(part)) + part
                return (b"\x05\x04" + struct.pack(">H", len(self.header)) +
                        self.header + self.client + self.client + raw + rest)
        raise LookupError(f"no ticket for ldap/{host}/...")


def ticket(host, domain):
    """The cache for one domain controller, or the text of the problem."""
    with tempfile.TemporaryDirectory() as where:
        path = where + "/cc"
        env = dict(os.environ, KRB5CCNAME="FILE:" + path)
        name = socket.gethostname().split(".")[0].upper() + "$"
        for cmd in (["kinit", "-k", name],
                    ["kvno", f"ldap/{host}/{domain}"]):
            done = subprocess.run(cmd, env=env, timeout=30,
                                  stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True)
            if done.returncode:
                return None, done.stderr.strip()
        with open(path, "rb") as f:
            return Cache(f.read()).only(host), ""


class Peers:
    def __init__(self, args):
        self.args = args
        self.monitor, monitor = socket.socketpair(socket.AF_UNIX,
                                                  socket.SOCK_SEQPACKET)
        self.auth, auth = socket.socketpair(socket.AF_UNIX,
                                            socket.SOCK_SEQPACKET)
        user = pwd.getpwnam(args.user)

        def child():
            # Out of the way first: 3 and 4 may be any of the four.
            high = [os.dup2(s.fileno(), n)
                    for s, n in ((monitor, 20), (auth, 21))]
            os.dup2(high[0], 3, inheritable=True)
            os.dup2(high[1], 4, inheritable=True)
            os.closerange(5, 256)
            os.setgroups([user.pw_gid])
            os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
            os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)

        env = {"PATH": "/usr/bin:/bin", "LANG": "C", "LDAPNOINIT": "1",
               "KRB5_CONFIG": "/etc/krb5.conf"}
        command = args.command + ["--config", args.config]
        self.process = subprocess.Popen(command, preexec_fn=child,
                                        env=env, close_fds=False,
                                        stdin=subprocess.DEVNULL)
        monitor.close()
        auth.close()
        self.status, self.ticket, self.generation = {}, 0, 0
        self.published, self.looks, self.answer = [], 0, None

    def send(self, sock, kind, payload, seq=0):
        sock.send(HEADER.pack(len(payload), VERSION, kind, seq) + payload)

    def serve(self, seconds):
        """Answers for a while; False when the process is gone."""
        ready, _, _ = select.select([self.monitor, self.auth], [], [],
                                    seconds)
        for sock in ready:
            try:
                packet = sock.recv(1 << 17)
            except ConnectionResetError:
                return False
            if not packet:
                return False
            size, version, kind, seq = HEADER.unpack(packet[:12])
            payload = packet[12:]
            assert size == len(payload) and version == VERSION
            self.handle(kind, seq, payload)
        return True

    def handle(self, kind, seq, payload):
        if kind == CHILD_STATUS:
            self.status = json.loads(payload[4:])
            if self.args.verbose:
                print(json.dumps(self.status), flush=True)
        elif kind == STAGED:
            number, = struct.unpack("<Q", payload)
            self.generation += 1
            self.published.append(time.monotonic())
            self.send(self.monitor, PUBLISHED,
                      struct.pack("<QIQI", number, 0, self.generation, 0),
                      seq)
        elif kind == DC_TICKET:
            host = payload[4:].decode()
            cache, problem = ticket(host, self.args.domain)
            self.send(self.auth, DC_TICKET_REPLY,
                      struct.pack("<I", 0 if cache else 11) +
                      blob(problem.encode()[:500]) + blob(b"") +
                      struct.pack("<Q", 0) + blob(cache or b""), seq)

        elif kind == LOOK_REPLY and seq == self.looks:
            self.answer = payload

    def look(self, guid):
        start = time.monotonic()
        self.looks, self.answer = self.looks + 1, None
        self.send(self.auth, LOOK, blob(uuid.UUID(guid).bytes_le), self.looks)
        while self.answer is None:
            if not self.serve(60):
                print("the process is gone", flush=True)
                return
        names = ("code", "control", "computed", "expires", "set", "locked",
                 "password_expires")
        fields = struct.unpack_from("<IIIQQQQ", self.answer)
        rest = self.answer[struct.calcsize("<IIIQQQQ"):]
        answer = dict(zip(names, fields), seconds=time.monotonic() - start)
        for name in ("hours", "upn", "sam"):
            size, = struct.unpack_from("<I", rest)
            data, rest = rest[4:4 + size], rest[4 + size:]
            answer[name] = data.hex() if name == "hours" else data.decode()
        assert not rest
        print(json.dumps(answer), flush=True)

    def pull(self, flags):
        self.ticket += 1
        start = time.monotonic()
        self.send(self.monitor, PULL,
                  struct.pack("<QI", self.ticket, flags))
        while self.serve(60):
            for end in ("done", "failed"):
                if self.status.get(end, 0) >= self.ticket:
                    print(f"{end} after {time.monotonic() - start:.2f} s",
                          flush=True)
                    return
        print("the process is gone")

    def run(self):
        for line in sys.stdin:
            word, *rest = line.split()
            if word == "pull":
                self.pull(int(rest[0]) if rest else 0)
            elif word == "wait":
                end = time.monotonic() + float(rest[0])
                while time.monotonic() < end:
                    if not self.serve(max(0, end - time.monotonic())):
                        print("the process is gone")
                        break
            elif word == "look":
                self.look(rest[0])
            elif word == "restage":
                self.send(self.monitor, RESTAGE, b"")
            elif word == "status":
                print(json.dumps(self.status), flush=True)
            elif word == "memory":
                with open(f"/proc/{self.process.pid}/status",
                          encoding="ascii") as f:
                    print("".join(l for l in f if l.startswith(
                        ("VmHWM", "VmRSS", "RssAnon"))), end="", flush=True)
            elif word == "quit":
                break
        self.monitor.close()
        self.auth.close()
        print("exit status", self.process.wait(10))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", default="dssync")
    parser.add_argument("--domain", default="aaddscontoso.com")
    parser.add_argument("--config", default="/etc/dssync/dssync.conf")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("command", nargs="+")
    Peers(parser.parse_args()).run()


main()
