"""Reports of an engine on their way: together where they come together, in order, and harmless when nobody reads."""

from __future__ import annotations

import socket
import threading
import time

import msgspec

from jangin.serve.frames import Piece, Report, Unloaded, Unpacker
from jangin.serve.outgoing import Outgoing


def read(channel: socket.socket, count: int) -> list[Report]:
    unpacker, found = Unpacker(msgspec.msgpack.Decoder(Report)), []
    channel.settimeout(30)
    while len(found) < count:
        found += unpacker.feed(channel.recv(1 << 16))
    return found


def test_reports_of_several_threads_all_arrive_each_thread_s_in_order() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        outgoing = Outgoing(theirs)

        def work(id: int) -> None:
            for at in range(50):
                outgoing.send_soon(Piece(id, str(at)))

        threads = [threading.Thread(target=work, args=(id,)) for id in range(4)]
        for thread in threads:
            thread.start()
        found = read(ours, 200)
        for id in range(4):
            assert [each.text for each in found if each.id == id] == [str(at) for at in range(50)]  # type: ignore[union-attr]


def test_what_is_sent_now_does_not_overtake_what_was_to_be_sent_soon() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        outgoing = Outgoing(theirs)
        for at in range(20):
            outgoing.send_soon(Piece(at, "x"))
            outgoing.send(Unloaded(100 + at))
        assert [each.id for each in read(ours, 40)] == [id for at in range(20) for id in (at, 100 + at)]


def test_a_report_for_nobody_is_dropped_and_the_sender_goes_on() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        outgoing = Outgoing(theirs)
        outgoing.send(Unloaded(1))
        outgoing.send_soon(Piece(2, "x"))
        outgoing.send_soon(Piece(3, "y"))
        end = time.monotonic() + 20
        while outgoing._waiting:
            assert time.monotonic() < end
            time.sleep(0.005)
        with outgoing._sending:  # what was taken to be sent has been
            pass
        assert outgoing._thread is not None and outgoing._thread.is_alive()
