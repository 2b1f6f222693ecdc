"""Clients ask each server in its own way, and count what is not the picture's answer."""

import pytest

from bench import clients, echo
from bench.clients import Expected, Load
from bench.connection import Raw
from bench.pictures import Picture
from tests.support.answering import answering

DATA = b"\xff\xd8\xff\xd9"
ONE = Expected(Picture("one", DATA), "tench", 0.5)


@pytest.fixture(autouse=True)
def _no_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "WARM_UP_S", 0.0)


class Kept(list[bytes]):
    """What a server was sent."""

    async def keep(self, request: bytes) -> None:
        self.append(request)


async def test_a_raw_body_is_the_file_and_nothing_else() -> None:
    def right(one: Expected, sent: bytes, body: bytes) -> bool:
        return one.named("tench", 0.5) and body == b"{}"

    received = Kept()
    async with answering(b"{}", received.keep) as address:
        load = Load(
            *(address, [ONE], 2),
            post=lambda address, kind: Raw(address, "/infer", kind, (("X-Two", "2"),)),
            agrees=right,
            new=False,
        )
        seen = await load.round(0.05)
        load.close()
    assert (seen.errors, seen.wrong) == (0, 0)
    assert seen.latencies_ms
    head, body = received[0].split(b"\r\n\r\n", 1)
    assert body == DATA
    assert head.startswith(b"POST /infer HTTP/1.1\r\n")
    assert b"\r\nContent-Type: image/jpeg\r\nX-Two: 2\r\n" in head


async def test_files_are_new_unless_they_are_to_be_known() -> None:
    for new in (True, False):
        received = Kept()
        async with answering(b"{}", received.keep) as address:
            load = Load(address, [ONE], 2, new=new)
            await load.round(0.05)
            load.close()
        assert len(set(received)) == (len(received) if new else 1)


@pytest.mark.parametrize(
    "body",
    [
        b'{"success":true,"prediction":"tench","score":0.5,"more":1}',
        b'{"success":true,"prediction":"goldfish","score":0.5}',
        b"rubbish",
        b"\xff",
    ],
)
async def test_another_answer_than_the_plain_contracts_is_wrong(body: bytes) -> None:
    async with answering(body, Kept().keep) as address:
        load = Load(address, [ONE], 1)
        seen = await load.round(0.05)
        load.close()
    assert seen.wrong
    assert not seen.latencies_ms


def test_a_round_says_what_a_request_cost_the_server() -> None:
    seen = clients.Round(2.0, latencies_ms=[10.0] * 50, answered=100)
    seen.server_s = {"redis": 0.1, "gateway": 0.2}
    facts = seen.facts()
    assert facts["rate"] == 25
    assert facts["server_ms"] == 3
    assert facts["server_parts_ms"] == {"redis": 1, "gateway": 2}


async def test_the_echo_reads_all_of_a_body_in_pieces() -> None:
    pieces = [
        {"type": "http.request", "body": DATA, "more_body": True},
        {"type": "http.request", "body": DATA, "more_body": False},
    ]
    said: list[dict[str, object]] = []

    async def receive() -> echo.Message:
        return pieces.pop(0)

    async def send(message: echo.Message) -> None:
        said.append(message)

    await echo.app({"type": "http"}, receive, send)
    assert said[0]["status"] == 200
    body = said[1]["body"]
    assert isinstance(body, bytes)
    assert echo.agrees(ONE, DATA + DATA, body)
    assert not echo.agrees(ONE, DATA, body)
