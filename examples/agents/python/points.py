"""What the agent serves: the points that customers have collected, in one SQLite file.

Each answer below is given after its work and its mark are durable in one transaction.
The mark is what makes a call exact, and what a late or doubled command finds.
"""
import json
import sqlite3
import time

SCHEMA = """
CREATE TABLE IF NOT EXISTS account (customer TEXT PRIMARY KEY,
                                    points INTEGER NOT NULL CHECK (points >= 0));
CREATE TABLE IF NOT EXISTS mark (key TEXT PRIMARY KEY, state TEXT NOT NULL, customer TEXT,
                                 change INTEGER, output TEXT, at REAL NOT NULL);
"""


class Refused(Exception):
    """A business no; what was done before it in the same transaction is rolled back."""


class Points:
    name = "points"
    operations = {"earn": ["customer", "points"], "spend": ["customer", "points"], "reverse": []}

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("PRAGMA synchronous = FULL;" + SCHEMA)

    def mark(self, key):
        return self.db.execute("SELECT state, customer, change, output FROM mark WHERE key = ?",
                               (key,)).fetchone() or (None, None, 0, "")

    def set_mark(self, key, state, customer=None, change=0, output=""):
        self.db.execute("INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?) "
                        "ON CONFLICT (key) DO UPDATE SET state = excluded.state, at = excluded.at",
                        (key, state, customer, change, output, time.time()))

    def add(self, customer, change):
        """Changes the points, and gives them as output."""
        self.db.execute("INSERT INTO account VALUES (?, 0) ON CONFLICT DO NOTHING", (customer,))
        try:
            self.db.execute("UPDATE account SET points = points + ? WHERE customer = ?",
                            (change, customer))
        except sqlite3.IntegrityError:
            raise Refused(f"{customer} does not have {-change} points") from None
        points, = self.db.execute("SELECT points FROM account WHERE customer = ?",
                                  (customer,)).fetchone()
        return json.dumps({"points": points})

    def read_args(self, operation, args):
        """The customer, and the change that is asked for."""
        given = json.loads(args or "{}")
        customer, points = given.get("customer"), given.get("points")
        if operation not in ("earn", "spend") or not isinstance(customer, str) or type(points) != int \
                or not 0 < points < 10**9:
            raise Refused("earn and spend take a `customer` and `points` from 1")
        return customer, points if operation == "earn" else -points

    # A saga's calls: gid and step name both the action and its compensation.

    def do(self, command):
        key = f"{command.branch.gid}/{command.branch.branch}"
        state, _, _, output = self.mark(key)
        if state == "undone":
            raise Refused("it has been undone already")
        if state is None:
            customer, change = self.read_args(command.operation, command.args)
            output = self.add(customer, change)
            self.set_mark(key, "done", customer, change, output)
        return "DONE", output

    def undo(self, command):
        key = f"{command.branch.gid}/{command.branch.branch}"
        state, customer, change, _ = self.mark(key)
        if state == "done":
            self.add(customer, -change)
        self.set_mark(key, "undone")  # also without an action: it must not come any more
        return "DONE", ""

    # Atomic groups: what is spent is taken off when it is promised.

    def prepare(self, command, key):
        state, _, _, output = self.mark(key)
        if state == "committed":
            return "COMMITTED", ""
        if state == "rolled_back":
            raise Refused("it was rolled back before it was prepared")
        if state is None:
            customer, change = self.read_args(command.operation, command.args)
            if command.read_only:
                return "READ_ONLY", self.add(customer, 0)
            output = self.add(customer, min(change, 0))
            self.set_mark(key, "prepared", customer, change, output)
        return "PREPARED", output

    def commit(self, command, key):
        state, customer, change, _ = self.mark(key)
        if state == "rolled_back" or (state is None and not command.repeat):
            return "HAZARD", f"told to commit a branch that is {state or 'not there'}"
        if state == "prepared":
            self.add(customer, max(change, 0))
            self.set_mark(key, "committed")
        return "COMMITTED", ""

    def rollback(self, command, key):
        state, customer, change, _ = self.mark(key)
        if state == "committed":
            return "HAZARD", "told to roll back a branch that is committed"
        if state == "prepared":
            self.add(customer, -min(change, 0))
        self.set_mark(key, "rolled_back")  # also without a prepare: a tombstone
        return "ROLLED_BACK", ""

    def prepared(self, older_than_s=0):
        """(gid, epoch, branch) of what is promised and waits for its decision."""
        rows = self.db.execute("SELECT key FROM mark WHERE state = 'prepared' AND at <= ?",
                               (time.time() - older_than_s,))
        return [(gid, int(epoch), branch)
                for gid, epoch, branch in (row[0].split("/") for row in rows)]

    def serve(self, kind, command):
        """Does one command: the result's kind, its output, and the reason."""
        key = f"{command.branch.gid}/{command.branch.epoch}/{command.branch.branch}"
        steps = {"DO": self.do, "UNDO": self.undo}
        branches = {"PREPARE": self.prepare, "COMMIT": self.commit, "ROLLBACK": self.rollback}
        try:
            with self.db:  # commits, or rolls back what an exception leaves half done
                self.db.execute("BEGIN IMMEDIATE")
                if kind in steps:
                    kind, text = steps[kind](command)
                elif kind in branches:
                    kind, text = branches[kind](command, key)
                else:
                    raise Refused(f"{self.name} does not know how to {kind}")
        except (Refused, json.JSONDecodeError) as why:
            return ("REFUSED" if kind in ("DO", "PREPARE", "ONCE") else "UNKNOWN"), "", str(why)
        except sqlite3.Error as why:
            return "UNKNOWN", "", str(why)
        return (kind, "", text) if kind == "HAZARD" else (kind, text, "")
