#!/usr/bin/env python3
"""A service that sells seats, and takes part in distributed transactions.

    seats.py PORT FILE

It shows what the http adapter asks of a service (docs/adapters/http.md).  For atomic
groups: a hold that keeps the seat, a confirm and a cancel by the hold's key, each of
which may come more than once; and a cancel that comes before its hold, or without one,
is remembered.  For sagas: a booking and its undoing, named by transaction and step,
with the same rules.
"""
import json
import sqlite3
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCHEMA = """
CREATE TABLE IF NOT EXISTS hold (
    key TEXT PRIMARY KEY, seat TEXT, customer TEXT,
    state TEXT NOT NULL CHECK (state IN ('held', 'confirmed', 'cancelled')));
CREATE UNIQUE INDEX IF NOT EXISTS one_each ON hold (seat) WHERE state <> 'cancelled';
"""


def hold(db, key, body):
    row = db.execute("SELECT state FROM hold WHERE key = ?", (key,)).fetchone()
    if row is not None:
        if row[0] == "cancelled":  # the cancel overtook it
            return 409, {"detail": "this hold was cancelled before it was made"}
        return 200, {"seat": body["seat"]}
    try:
        db.execute("INSERT INTO hold VALUES (?, ?, ?, 'held')", (key, body["seat"], body["customer"]))
    except sqlite3.IntegrityError:
        return 409, {"detail": "seat %s is taken" % body["seat"]}
    return 201, {"seat": body["seat"]}


def confirm(db, key):
    row = db.execute("SELECT state FROM hold WHERE key = ?", (key,)).fetchone()
    if row is None or row[0] == "cancelled":
        return 410, {"detail": "there is no such hold"}
    db.execute("UPDATE hold SET state = 'confirmed' WHERE key = ?", (key,))
    return 200, {}


def cancel(db, key):
    row = db.execute("SELECT state FROM hold WHERE key = ?", (key,)).fetchone()
    if row is not None and row[0] == "confirmed":
        return 409, {"detail": "the hold is confirmed"}
    db.execute("INSERT INTO hold VALUES (?, NULL, NULL, 'cancelled') "
               "ON CONFLICT (key) DO UPDATE SET state = 'cancelled'", (key,))
    return 200, {}


def book(db, key, body):
    """A saga's action: sold at once, and once only."""
    status, said = hold(db, key, body)
    if status < 300:
        confirm(db, key)
    return status, said


def undo(db, key):
    """Its compensation: also of what was never booked, and then for ever."""
    db.execute("INSERT INTO hold VALUES (?, NULL, NULL, 'cancelled') "
               "ON CONFLICT (key) DO UPDATE SET state = 'cancelled'", (key,))
    return 200, {}


class Seats(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections

    def answer(self, act):
        size = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(size)
        parts = [urllib.parse.unquote(p) for p in self.path.split("/")[1:]]
        with self.server.lock, self.server.db as db:  # one local transaction
            status, said = act(db, parts, json.loads(text) if text else {})
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        def act(db, parts, body):
            if len(parts) == 2 and parts[0] == "holds":
                return hold(db, parts[1], body)
            if len(parts) == 3 and parts[0] == "holds" and parts[2] == "confirmed":
                return confirm(db, parts[1])
            if len(parts) == 3 and parts[0] == "bookings":
                return book(db, "/".join(parts[1:]), body)
            return 404, {"detail": "no such path"}
        self.answer(act)

    def do_DELETE(self):
        def act(db, parts, body):
            if len(parts) == 2 and parts[0] == "holds":
                return cancel(db, parts[1])
            if len(parts) == 3 and parts[0] == "bookings":
                return undo(db, "/".join(parts[1:]))
            return 404, {"detail": "no such path"}
        self.answer(act)

    def do_GET(self):
        def act(db, parts, body):
            rows = db.execute("SELECT seat, customer, state FROM hold WHERE seat IS NOT NULL")
            return 200, [dict(zip(("seat", "customer", "state"), row)) for row in rows]
        self.answer(act)

    def log_message(self, form, *args):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Seats)
    server.db = sqlite3.connect(sys.argv[2], check_same_thread=False)
    server.lock = threading.Lock()
    server.db.execute("PRAGMA synchronous = FULL")
    server.db.executescript(SCHEMA)
    server.serve_forever()


main()
