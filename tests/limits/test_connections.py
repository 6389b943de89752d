"""Connections: bounded in all and per side, with room for those who have proven who they are."""

import socket

import pytest

from connector.dsp.connections import Connections


class Crowd:
    """A listener on loopback and whoever knocks at it."""

    def __init__(self, most, per_address):
        self.connections = Connections(most, per_address)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.outside, self.inside = [], []

    def knock(self):
        """One connection: ours, or None when it was turned away."""
        self.outside.append(socket.create_connection(self.listener.getsockname()))
        accepted, place = self.listener.accept()
        try:
            connection = self.connections.admit(accepted, place)
        except ConnectionAbortedError:
            assert accepted.fileno() == -1
            return None
        self.inside.append(connection)
        return connection

    def close(self):
        for each in (*self.outside, *self.inside, self.listener):
            each.close()


@pytest.fixture
def crowd():
    made = []

    def make(most, per_address=1000):
        made.append(Crowd(most, per_address))
        return made[-1]

    yield make
    for each in made:
        each.close()
        assert len(each.connections) == 0
        assert not each.connections._sides
        assert not each.connections._unproven


def ended(connection):
    """Whether its transport would read the end of the stream."""
    connection.settimeout(5)
    return connection.recv(1) == b""


def test_a_side_has_so_many(crowd):
    """One too many is closed at once; one that ends makes room."""
    house = crowd(100, per_address=2)
    first, second = house.knock(), house.knock()
    assert house.knock() is None
    assert house.connections.refused == 1
    first.close()
    first.close()
    assert len(house.connections) == 1
    assert house.knock() is not None
    assert second.fileno() >= 0


def test_a_crowd_that_proves_nothing_makes_room(crowd):
    """The oldest goes; who has spoken with a member's token stays."""
    house = crowd(3)
    member, idle, idler = house.knock(), house.knock(), house.knock()
    house.connections.proven(member.getpeername())
    for number in range(10):
        assert house.knock() is not None, number
    assert ended(idle)
    assert ended(idler)
    assert len(house.connections) == 3
    assert member in house.inside
    assert member.getpeername()


def test_when_all_are_members_the_next_one_waits_outside(crowd):
    house = crowd(2)
    for connection in (house.knock(), house.knock()):
        house.connections.proven(connection.getpeername())
    assert house.knock() is None
    house.inside[0].close()
    assert house.knock() is not None


def test_a_connection_that_is_gone_cannot_be_proven(crowd):
    house = crowd(2)
    house.connections.proven(None)
    house.connections.proven(("127.0.0.1", 1))
    assert len(house.connections) == 0
