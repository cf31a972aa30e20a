#!/usr/bin/env python3
"""An agent for Settle in plain Python: a loop that sends results and receives work.

    agent.py COORDINATOR CLUSTER AGENT FILE      agent.py tcp://127.0.0.1:7481 settle shop points.db

It uses nothing of Settle's but wire/settle.proto, and speaks as docs/protocol.md says.
What it serves is in points.py.  Debian: python3-protobuf, protobuf-compiler.
"""
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

from points import Points

POLL_LIFE_S, SWEEP_S, FRAME_MAX = 30, 5, 16 << 20


def load_frames():
    """The classes of settle.proto, generated now."""
    wire = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../wire")
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["protoc", "-I", wire, "--python_out", out, "settle.proto"], check=True)
        sys.path.insert(0, out)
        import settle_pb2
    return settle_pb2


class Link:
    """The REQ side of the Scalability Protocols over TCP."""

    def __init__(self, url):
        host, port = url.removeprefix("tcp://").rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), timeout=POLL_LIFE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = int.from_bytes(os.urandom(4), "big")
        self.sock.sendall(b"\0SP\0\0\x30\0\0")
        if self.read(8) != b"\0SP\0\0\x31\0\0":
            raise ConnectionError("this is no coordinator")

    def read(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise ConnectionError("the coordinator has closed the connection")
            data += part
        return data

    def send(self, body):
        self.number = (self.number + 1) | 0x80000000
        self.number &= 0xFFFFFFFF
        self.sock.sendall(struct.pack(">QI", len(body) + 4, self.number) + body)
        return self.number

    def receive(self, seconds):
        """(number, body) of a reply, or None if none comes in time."""
        if not select.select([self.sock], [], [], seconds)[0]:
            return None
        size, number = struct.unpack(">QI", self.read(12))
        if not 4 <= size <= FRAME_MAX:
            raise ConnectionError(f"a frame of {size} bytes")
        return number, self.read(size - 4)


class Agent:
    def __init__(self, url, cluster, name, resource):
        self.url, self.cluster, self.name, self.resource = url, cluster, name, resource
        self.incarnation, self.seq, self.epoch = time.time_ns() // 1000, 0, 0
        self.results = []  # that no poll carries yet
        self.polls = {}    # outstanding: number -> (when it was made, the results it carries)

    def hello(self):
        r = self.resource
        return [wire.Resource(name=r.name, adapter="python", ready=True, calls=True, exact=True,
                              groups=True, operations=[wire.Operation(name=name, args=args)
                                                       for name, args in r.operations.items()])]

    def poll(self, hello=False, ask=()):
        self.seq += 1
        inquiries = [wire.Branch(resource=self.resource.name, gid=gid, epoch=epoch, branch=branch)
                     for gid, epoch, branch in ask]
        p = wire.Poll(version=1, cluster=self.cluster, agent=self.name,
                      incarnation=self.incarnation, seq=self.seq, epoch=self.epoch, window=16,
                      hello=hello, resources=self.hello() if hello else [],
                      results=self.results, inquiries=inquiries)
        carried, self.results = self.results, []
        try:
            self.polls[self.link.send(p.SerializeToString())] = time.monotonic(), carried
        except OSError:
            self.results = carried
            raise

    def work(self, reply, command):
        kind = wire.CommandKind.Name(command.kind).removeprefix("COMMAND_")
        if kind in ("PREPARE", "ONCE") and command.branch.epoch != reply.epoch:
            said = "REFUSED", "", "the branch is of another epoch than its coordinator"
        elif command.branch.resource != self.resource.name:
            said = "REFUSED" if kind in ("PREPARE", "ONCE", "DO") else "UNKNOWN", "", "not here"
        else:
            said = self.resource.serve(kind, command)
        result = wire.Result(branch=command.branch, kind="RESULT_" + said[0],
                             output=said[1].encode(), reason=said[2][:900])
        if kind in ("DO", "UNDO"):
            result.call, result.attempt = command.kind, command.attempt
        print("worked", kind, command.branch.gid, command.branch.branch, said, flush=True)
        self.results.append(result)

    def take(self, reply, carried):
        """One reply; the results that its poll carried are acknowledged, or go again."""
        if reply.error or reply.epoch < self.epoch or reply.cluster != self.cluster:
            self.results = carried + self.results
            if reply.error.startswith("superseded"):
                sys.exit(reply.error)
            print("refused:", reply.error or "an old or foreign coordinator", flush=True)
            time.sleep(1)
            return
        if reply.epoch > self.epoch:  # a new coordinator: what of its elder's has been decided?
            self.epoch = reply.epoch
            self.poll(ask=self.resource.prepared())
        for command in reply.commands:
            self.work(reply, command)
        verdicts = {wire.VERDICT_COMMIT: wire.COMMAND_COMMIT, wire.VERDICT_ABORT: wire.COMMAND_ROLLBACK}
        for answer in reply.answers:
            if answer.verdict in verdicts:
                self.work(reply, wire.Command(kind=verdicts[answer.verdict], branch=answer.branch,
                                              repeat=True))
        if reply.want_hello:
            self.poll(hello=True)

    def talk(self):
        swept = time.monotonic()
        self.poll(hello=True, ask=self.resource.prepared())
        while True:
            while len(self.polls) < 2 or (self.results and len(self.polls) < 8):
                self.poll()
            got = self.link.receive(SWEEP_S)
            if got is not None and got[0] in self.polls:
                carried = self.polls.pop(got[0])[1]
                self.take(wire.Reply.FromString(got[1]), carried)
            now = time.monotonic()
            if any(now - made > POLL_LIFE_S for made, _ in self.polls.values()):
                raise ConnectionError("a poll has had no answer")
            if now - swept > SWEEP_S:
                swept, doubt = now, self.resource.prepared(SWEEP_S)
                if doubt:
                    self.poll(ask=doubt)

    def run(self):
        while True:
            try:
                self.link = Link(self.url)
                print("connected", flush=True)
                self.talk()
            except OSError as why:
                print("disconnected:", why, flush=True)
            if hasattr(self, "link"):
                self.link.sock.close()
            for _, carried in self.polls.values():
                self.results += carried
            self.polls = {}
            time.sleep(1)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    wire = load_frames()
    Agent(sys.argv[1], sys.argv[2], sys.argv[3], Points(sys.argv[4])).run()
