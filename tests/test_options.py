"""The kinds of values: what they take and what they say when they do not."""

import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest

from vcycled import options


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (options.SECONDS, "0", 0),
        (options.SECONDS, "3153600000", 3_153_600_000),
        (options.PATIENCE, "86400", 86_400),
        (options.UNIX_TIME, "0", 0),
        (options.UNIX_TIME, "253402300799", 253_402_300_799),
        (options.whole(1, 5), "5", 5),
        (options.number(0, 1), "0.5", 0.5),
        (options.FLAG, "Yes", True),
        (options.FLAG, "off", False),
        (options.NAMES, " a  b ", ("a", "b")),
        (options.AMOUNT, "10%", options.Amount(percent=10.0)),
        (options.AMOUNT, "3", options.Amount(count=3)),
        (options.HOSTPORT, "vacmon.example.com:8884", "vacmon.example.com:8884"),
        (options.HOSTPORT, "[2001:db8::1]:65535", "[2001:db8::1]:65535"),
        (options.choice("a", "b"), "b", "b"),
    ],
)
def test_reads_what_it_accepts(kind: options.Kind[object], text: str, value: object) -> None:
    """A value in the accepted form becomes what the field holds."""
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (options.SECONDS, "-1"),
        (options.SECONDS, "3153600001"),
        (options.SECONDS, "1e30"),
        (options.seconds(1), "0"),
        (options.PATIENCE, "0"),
        (options.PATIENCE, "86401"),
        (options.UNIX_TIME, "-1"),
        (options.UNIX_TIME, "253402300800"),
        (options.UNIX_TIME, "1e12"),
        (options.SECONDS, "two"),
        (options.SECONDS, "1.5"),
        (options.whole(1, 5), "6"),
        (options.number(), "nan"),
        (options.number(), "inf"),
        (options.number(0, 1), "1.01"),
        (options.FLAG, "maybe"),
        (options.AMOUNT, "0"),
        (options.AMOUNT, "0%"),
        (options.AMOUNT, "101%"),
        (options.TEXT, ""),
        (options.URL, "ftp://host/x"),
        (options.PATTERN, "("),
        (options.HOSTPORT, "vacmon.example.com"),
        (options.HOSTPORT, "vacmon.example.com:0"),
        (options.HOSTPORT, "vacmon.example.com:65536"),
        (options.HOSTPORT, "2001:db8::1:8884"),
    ],
)
def test_says_what_it_accepts(kind: options.Kind[object], text: str) -> None:
    """A value in any other form is refused with the form and the value in the message."""
    with pytest.raises(ValueError, match="must be ") as caught:
        kind.parse(text)
    assert str(caught.value) == f"must be {kind.accepts}, not {text!r}"


def test_the_longest_duration_can_be_waited_for_and_reckoned_with() -> None:
    """Threads have a limit of their own, and the end must be a date."""
    assert threading.TIMEOUT_MAX > options.CENTURY_S
    assert (datetime(2100, 1, 1, tzinfo=UTC) + timedelta(seconds=options.CENTURY_S)).year == 2199


def test_the_longest_patience_is_one_that_a_socket_has() -> None:
    """What is accepted must not break the first call."""
    with socket.socket() as line:
        line.settimeout(options.PATIENCE.parse("86400"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ssh-rsa AAAAB3NzaC1yc2E me@host", "the text of a public key"),
        ("ecdsa-sha2-nistp256 AAAAE2Vj", "the text of a public key"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "the text of a PEM file"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "a token"),
        ("file:///etc/key.pub", "'file:///etc/key.pub'"),
        ("#!/bin/sh", "'#!/bin/sh'"),
        ("#cloud-config", "'#cloud-config'"),
        ("one\ntwo", r"'one\ntwo'"),
        ("a\n" * 101, repr("a\n" * 100 + "…")),
    ],
)
def test_what_belongs_into_a_file_is_no_path_of_one(text: str, what: str) -> None:
    """The message says what is wanted and what was given, and shows none of it if it is secret."""
    with pytest.raises(ValueError, match="the path of a file") as caught:
        options.PATH.parse(text)
    assert str(caught.value) == f"must be {options.PATH.accepts}, not {what}"


@pytest.mark.parametrize("text", ["/root/.ssh/id_rsa.pub", "ssh-rsa.pub", "eyJ.a", "# 1", "~/x"])
def test_odd_paths_are_paths(text: str) -> None:
    """Only what surely is none is refused."""
    assert options.PATH.parse(text) == text


def test_a_secret_never_prints() -> None:
    """Only reveal() gives the text of a secret."""
    secret = options.SECRET.parse("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {secret!s:>20}"
    assert secret.reveal() == "hunter2"


@pytest.mark.parametrize(
    ("amount", "total", "value"), [("10%", 101, 11), ("10%", 0, 0), ("7", 1, 7)]
)
def test_an_amount_of_a_total(amount: str, total: int, value: int) -> None:
    """A percentage is rounded up, a count is itself."""
    assert options.AMOUNT.parse(amount).of(total) == value
