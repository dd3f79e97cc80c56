"""The gate, the rate limit and the error answers, over small ASGI applications."""

import asyncio

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from app.main import create_app
from app.web.gate import SMALL_BODY, Gate
from app.web.rate import RateLimit

SCOPE = {"type": "http", "method": "POST", "path": "/x", "headers": [], "client": ("10.1.1.1", 1), "state": {}}


class Call:
    """One request over an ASGI application; `more()` sends another piece of its body."""

    def __init__(self, app, *pieces, more=False, path="/x"):
        self.inbox = asyncio.Queue()
        for number, piece in enumerate(pieces):
            self.send(piece, more or number < len(pieces) - 1)
        self.sent = []
        self.task = asyncio.create_task(app({**SCOPE, "path": path}, self.inbox.get, self.note))

    def send(self, piece, more):
        self.inbox.put_nowait({"type": "http.request", "body": piece, "more_body": more})

    async def note(self, message):
        self.sent.append(message)

    async def status(self):
        await asyncio.wait_for(self.task, 5)
        return self.sent[0]["status"]


class Slow:
    """Answers when told to; knows how many are inside."""

    def __init__(self):
        self.go, self.inside, self.most, self.bodies = asyncio.Event(), 0, 0, []

    async def __call__(self, scope, receive, send):
        self.inside += 1
        self.most = max(self.most, self.inside)
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        self.bodies.append(body)
        await self.go.wait()
        self.inside -= 1
        await PlainTextResponse("done")(scope, receive, send)


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def test_no_more_than_its_places_are_inside_and_everybody_is_answered():
    async def scenario():
        slow = Slow()
        gate = Gate(slow, places=3, seconds=5)
        calls = [Call(gate, b"hello") for _ in range(20)]
        await settle()
        assert slow.inside == 3
        slow.go.set()
        assert {await call.status() for call in calls} == {200}
        assert slow.most == 3
        assert slow.bodies == [b"hello"] * 20

    asyncio.run(scenario())


def test_who_waits_too_long_is_told_to_come_again():
    async def scenario():
        slow = Slow()
        gate = Gate(slow, places=1, seconds=0.05)
        first, second = Call(gate, b"1"), Call(gate, b"2")
        assert await second.status() == 503
        slow.go.set()
        assert await first.status() == 200

    asyncio.run(scenario())


def test_a_slow_sender_holds_no_place():
    async def scenario():
        slow = Slow()
        slow.go.set()
        gate = Gate(slow, places=1, seconds=5)
        sender = Call(gate, b"the first piece of", more=True)
        await settle()
        assert await Call(gate, b"somebody else").status() == 200
        sender.send(b" a small body", more=False)
        assert await sender.status() == 200
        assert slow.bodies[-1] == b"the first piece of a small body"

    asyncio.run(scenario())


def test_large_uploads_leave_places_for_the_others():
    async def scenario():
        slow = Slow()
        slow.go.set()
        gate = Gate(slow, places=3, seconds=5)
        large = b"x" * (SMALL_BODY + 1)
        uploads = [Call(gate, large, more=True) for _ in range(5)]
        await settle()
        assert slow.inside == 1
        assert await Call(gate, b"small").status() == 200
        for upload in uploads:
            upload.send(b"end", more=False)
        assert {await upload.status() for upload in uploads} == {200}
        assert slow.bodies.count(large + b"end") == 5

    asyncio.run(scenario())


def test_health_is_answered_while_all_places_are_taken():
    async def scenario():
        slow = Slow()
        gate = Gate(slow, places=1, seconds=5)
        Call(gate, b"")
        await settle()
        health = Call(gate, b"", path="/healthz")
        await settle()
        assert slow.inside == 2
        slow.go.set()
        assert await health.status() == 200

    asyncio.run(scenario())


def test_the_rate_limit_refills_with_time():
    now = [0.0]
    limit = RateLimit(PlainTextResponse("ok"), per_minute=60, clock=lambda: now[0])
    assert [limit.admits(b"a") for _ in range(61)] == [True] * 60 + [False]
    assert limit.admits(b"b")
    now[0] = 2.0
    assert [limit.admits(b"a") for _ in range(3)] == [True, True, False]


@pytest.fixture
def failing(db):
    def fail():
        raise RuntimeError("a secret detail")

    application = create_app()
    application.get("/fails")(fail)
    application.get("/api/v1/fails")(fail)
    with TestClient(application, base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
        yield client


def test_an_unexpected_error_keeps_the_headers_and_hides_the_detail(failing):
    answer = failing.get("/api/v1/fails", headers={"x-request-id": "my-request-1"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-request-id"] == "my-request-1"
    assert "secret" not in answer.text


def test_an_unknown_api_address_is_a_problem_document(anonymous):
    answer = anonymous.get("/api/v1/no-such-thing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_metrics_are_for_this_machine_or_for_who_holds_the_token(anonymous, monkeypatch):
    from pydantic import SecretStr

    from app.config import settings

    assert "accord_requests_total" in anonymous.get("/metrics").text
    monkeypatch.setattr(settings(), "metrics_token", SecretStr("let-me-in"))
    assert anonymous.get("/metrics").status_code == 403
    assert anonymous.get("/metrics", headers={"authorization": "Bearer let-me-in"}).status_code == 200
