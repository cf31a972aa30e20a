#!/usr/bin/env python3
"""What the three resources of a trip have given away, read from their own files.

    left.py DIR [--count]

DIR has hotel.db, theatre/ and train.db.  With --count only four numbers are printed:
rooms, confirmations, theatre tickets, train seats.
"""
import pathlib
import sqlite3
import sys


def rows(path, sql):
    """The rows of a query; none if the file is not there yet, which is not made."""
    if not path.exists():
        return []
    db = sqlite3.connect("%s?mode=ro" % path.resolve().as_uri(), uri=True, timeout=10)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def tickets(folder):
    """How many tickets of each show are sold: a file of "SHOW NUMBER" for each sale."""
    sold = {}
    for path in folder.glob("sold/*"):
        show, number = path.read_text().split()
        sold[show] = sold.get(show, 0) + int(number)
    return sold


def main():
    where = pathlib.Path(sys.argv[1])
    stays = rows(where / "hotel.db", "SELECT room, guest, confirmed FROM stay ORDER BY room")
    sold = tickets(where / "theatre")
    seats = rows(where / "train.db",
                 "SELECT seat, customer FROM hold WHERE state <> 'cancelled' ORDER BY seat")
    if sys.argv[2:] == ["--count"]:
        print(len(stays), sum(stay[2] for stay in stays), sum(sold.values()), len(seats))
        return
    print("   hotel   ", ", ".join("room %d: %s, %s" % (
        room, guest, "confirmed" if confirmed else "not confirmed")
        for room, guest, confirmed in stays) or "nothing")
    print("   theatre ", ", ".join("%s: %d tickets" % row for row in sorted(sold.items())) or "nothing")
    print("   train   ", ", ".join("seat %s: %s" % row for row in seats) or "nothing")


main()
