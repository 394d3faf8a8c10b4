"""The server as a process of its own, on a free port: values, hostile bodies, overload, and its end. Nothing stays behind."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

pytest.importorskip("fastapi", reason="`make serve` and `make test` install FastAPI and uvicorn into .venv")

from test_predicting import NAMES, write_model

from helpers import forms, predicting, runtime, serving

pytestmark = pytest.mark.once  # what answers needs neither backend

SECRET = "Geheim-42"
PREDICT, INFER = "/v1/models/course:predict", "/v2/models/course/infer"
# A server whose model takes 20 ms a text, and says the text's number.
SLOW = """
import sys, time
import numpy as np
from helpers import predicting, serving

def answer(texts):
    time.sleep(0.02)
    return np.array([[1 - float(text), float(text)] if text.startswith(("0", "1")) else [0.5, 0.5] for text in texts])

predicting.load = lambda *_, **__: predicting.Model(("no", "yes"), answer)
serving.main(sys.argv[1:])
"""


class Process:
    """A server in a process of its own; `with` ends it and sees to it that nothing is left."""

    def __init__(self, *arguments, program=("-m", "helpers.serving")):
        command = [sys.executable, *program, *map(str, arguments), "--port", "0"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=runtime.COURSE, stdout=pipe, stderr=subprocess.STDOUT, text=True)
        self.said = self.process.stdout.readline()
        found = re.search(r"at http://127\.0\.0\.1:(\d+);", self.said)
        assert found, self.said + self.process.stdout.read()
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ask it to end; its exit code. What it printed until then is in `said`."""
        children = psutil.Process(self.process.pid).children() if self.process.poll() is None else []
        self.process.send_signal(signal.SIGTERM)
        try:
            self.said += self.process.communicate(timeout=20)[0]
        finally:
            self.process.kill()
        assert children == []
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        return self.process.returncode

    def connect(self):
        """A connection that stays."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, method, address, body=None, **headers):
        """Status, headers and body of one answer."""
        connection = self.connect()
        try:
            return send(connection, method, address, body, **headers)
        finally:
            connection.close()


def send(connection, method, address, body=None, **headers):
    """Status, headers and body of one answer on a connection that stays."""
    connection.request(method, address, body, headers)
    found = connection.getresponse()
    return found.status, found.headers, found.read()


def instances(*texts):
    return json.dumps({"instances": texts}).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a bag of words; `latest` points at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_ARTIFACTS", str(tmp_path_factory.mktemp("artifacts")))
        yield write_model(runtime.artifacts_folder() / "mine")


@pytest.fixture(scope="module")
def server(folder):
    """A server with the last model."""
    with Process() as process:
        yield process
    assert SECRET not in process.said


TEXTS = ["a good film", "very bad", "", "<strong>bad</strong>&nbsp;", "好吃 \x00 🎉", "good " * 1900]


def test_both_protocols_give_the_values_of_the_loaded_model(server, folder):
    expected = predicting.load(folder)(TEXTS)
    assert np.ptp(expected[:, 0]) > 0.2
    status, _, body = server.ask("POST", PREDICT, instances(*TEXTS))
    assert status == 200 and np.abs(np.array(json.loads(body)["predictions"]) - expected).max() < 1e-12
    tensor = {"name": "texts", "shape": [len(TEXTS)], "datatype": "BYTES", "data": TEXTS}
    status, _, body = server.ask("POST", INFER, json.dumps({"id": "7", "inputs": [tensor]}).encode())
    found = json.loads(body)
    probabilities, label = found["outputs"]
    assert np.abs(np.reshape(probabilities["data"], probabilities["shape"]) - expected).max() < 1e-12
    assert label["data"] == [NAMES[number] for number in expected.argmax(axis=1)] and found["id"] == "7"


def test_the_page_holds_the_answer(server, folder):
    status, _, body = server.ask("POST", "/", b"text=a+good+film")
    good = predicting.load(folder)(["a good film"])[0, 1]
    assert status == 200 and f'{NAMES[1]}</th><td class="number">{good:.1%}</td>' in body.decode()


MALFORMED = {
    "empty": b"",
    "cut": f'{{"instances": ["{SECRET}'.encode(),
    "no UTF-8": f'{{"instances": ["{SECRET}\xff"]}}'.encode("latin-1"),
    "lone surrogate": f'{{"instances": ["{SECRET}\\ud800"]}}'.encode(),
    "NaN": f'{{"instances": ["{SECRET}", NaN]}}'.encode(),
    "null": f'{{"instances": ["{SECRET}", null]}}'.encode(),
    "number": f'{{"instances": ["{SECRET}", 1e999]}}'.encode(),
    "list": f'["{SECRET}"]'.encode(),
    "other field": f'{{"{SECRET}": ["{SECRET}"]}}'.encode(),
    "object": f'{{"instances": [{{"{SECRET}": "{SECRET}"}}]}}'.encode(),
    "deep": f'{{"{SECRET}": {"[" * 100_000}'.encode(),
    "too many": instances(*[SECRET] * 129),
    "too long": instances(SECRET * 2000),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_body_is_refused_and_nothing_of_it_comes_back(server, kind):
    for address in (PREDICT, INFER, "/"):
        status, _, body = server.ask("POST", address, MALFORMED[kind])
        assert status in (400, 413) and SECRET not in body.decode(), address
        assert ("error" in json.loads(body)) if address != "/" else (b'role="alert"' in body)
    assert server.ask("GET", "/v2/health/live")[0] == 200


@pytest.mark.parametrize("announced", [True, False])
def test_ten_megabytes_are_refused_at_once_and_the_client_reads_why(server, announced):
    body = instances("a" * 10_000_000)
    started = time.monotonic()
    status, _, said = server.ask(
        "POST", PREDICT, body if announced else iter([body[i : i + 65536] for i in range(0, len(body), 65536)])
    )
    assert status == 413 and b"at most 262,144 bytes" in said and time.monotonic() - started < 2
    assert server.ask("POST", PREDICT, instances("a" * 1_000_000))[0] == 413


def test_what_is_asked_is_counted(server):
    def counts():
        lines = server.ask("GET", "/metrics")[2].decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line[0] != "#"}

    before = counts()
    server.ask("POST", PREDICT, instances("a good film", "very bad"))
    server.ask("POST", PREDICT, b"{")
    after = counts()
    changed = {name: after[name] - before[name] for name in after if name.endswith(("_total", "}", "_count"))}
    assert changed['course_texts_total{protocol="v1"}'] == 2 and changed["course_tokens_total"] == 5
    assert changed['course_refusals_total{reason="form"}'] == 1 and changed["course_confidence_count"] == 2
    assert (
        changed[f'course_answers_total{{label="{NAMES[0]}"}}']
        == changed[f'course_answers_total{{label="{NAMES[1]}"}}']
        == 1
    )
    assert changed['course_answer_seconds_count{protocol="v1"}'] == 1


def test_answers_do_not_wait_for_the_clients_word(server):
    """Headers and body are two packets; with Nagle's algorithm the second waits 40 ms for the client's word on the first."""
    connection, seconds = server.connect(), []
    for _ in range(30):
        started = time.perf_counter()
        assert send(connection, "POST", PREDICT, instances("good"))[0] == 200
        seconds.append(time.perf_counter() - started)
    connection.close()
    assert np.median(seconds) < 0.03
    with serving.listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # where asyncio finds another number, it leaves the algorithm on


# ---- overload and the end, with a model that takes 20 ms


@pytest.fixture
def slow():
    """A server with one thread and a slow model, of whose requests four may wait."""
    with Process("--threads", 1, "--waiting", 4, program=("-c", SLOW)) as process:
        yield process


def at_once(number, work):
    """Run `work(number)` in so many threads; when all have ended, what each returned."""
    found = [None] * number

    def run(row):
        found[row] = work(row)

    threads = [threading.Thread(target=run, args=(row,)) for row in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_overload_is_refused_at_once_and_what_is_taken_is_answered(slow):
    def ask(row):
        started = time.monotonic()
        status, headers, body = slow.ask("POST", PREDICT, instances(*[f"0.{row + 10}"] * 10))
        return status, headers, json.loads(body), time.monotonic() - started

    found = at_once(12, ask)
    answered = {row: body for row, (status, _, body, _) in enumerate(found) if status == 200}
    refused = [each for each in found if each[0] != 200]
    assert len(answered) == 5 and {status for status, *_ in refused} == {503}  # one at work and four that wait
    for row, body in answered.items():
        assert np.allclose(body["predictions"], [[1 - float(f"0.{row + 10}"), float(f"0.{row + 10}")]] * 10)
    assert all(headers["Retry-After"] == "1" and "Ask again later" in body["error"] for _, headers, body, _ in refused)
    assert max(seconds for *_, seconds in refused) < 0.5 < max(each[3] for each in found if each[0] == 200)
    assert slow.ask("POST", PREDICT, instances("1"))[0] == 200  # and then there is a place again


def test_who_hangs_up_is_not_waited_for(slow):
    connections = [slow.connect() for _ in range(5)]
    for connection in connections:
        connection.request("POST", PREDICT, instances(*["1"] * 100))  # 2 seconds each: 10 for all
    time.sleep(0.1)
    for connection in connections:
        connection.close()
    started = time.monotonic()
    while b'course_refusals_total{reason="hung up"} 5.0' not in slow.ask("GET", "/metrics")[2]:
        assert time.monotonic() - started < 5
    assert slow.ask("POST", PREDICT, instances("1"))[0] == 200 and time.monotonic() - started < 2


def test_the_end_under_load_loses_no_accepted_request():
    process = Process("--threads", 2, program=("-c", SLOW))
    ended, outcomes = threading.Event(), []

    def ask(row):
        connection, answers = process.connect(), {200: 0, "lost": 0}
        while not ended.is_set():
            try:
                if connection.sock is None:  # at first, and after an answer that closed the connection
                    connection.connect()
            except ConnectionRefusedError:
                break
            try:
                answers[send(connection, "POST", PREDICT, instances(f"0.{row + 10}"))[0]] += 1
            except (http.client.HTTPException, OSError):
                answers["lost"] += 1
                connection.close()
        connection.close()
        return answers

    clients = threading.Thread(target=lambda: outcomes.extend(at_once(16, ask)))
    clients.start()
    time.sleep(0.6)
    started = time.monotonic()
    try:
        code = process.stop()
        seconds = time.monotonic() - started
    finally:
        ended.set()
        clients.join()
    assert code == 0 and seconds < 3
    assert sum(each["lost"] for each in outcomes) == 0 and min(each[200] for each in outcomes) > 1


# ---- the command line


def test_a_key_from_a_file_is_wanted(folder, tmp_path):
    key = tmp_path / "key.txt"
    key.write_text("a-key-of-some-length\n")
    with Process(folder, "--key-file", key, "--name", "mine.v2") as process:
        assert "Serving mine.v2 (schön, ärgerlich)" in process.said
        address = "/v1/models/mine.v2:predict"
        assert process.ask("POST", address, instances("good"))[0] == 401
        assert process.ask("POST", address, instances("good"), Authorization="Bearer a-key-of-some-length")[0] == 200
        assert process.stop() == 0
    assert "a-key-of" not in process.said


def test_what_cannot_be_done_ends_the_program_with_a_word(folder, tmp_path):
    with pytest.raises(SystemExit, match="There is no model in .*nowhere"):
        serving.main([str(tmp_path / "nowhere")])
    (tmp_path / "key.txt").write_text("short")
    with pytest.raises(SystemExit, match=r"The key in .*key\.txt has to be of 16 or more characters"):
        serving.main([str(folder), "--key-file", str(tmp_path / "key.txt")])
    with serving.listen("127.0.0.1", 0) as taken, pytest.raises(SystemExit, match="in use"):
        serving.main([str(folder), "--port", str(taken.getsockname()[1])])
    with pytest.raises(SystemExit) as caught:
        serving.main(["--name", "a/b"])
    assert caught.value.code == 2


@pytest.fixture(autouse=True)
def keep_handler():
    """`main` sets a handler of SIGTERM, which is not for this process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_request_that_has_begun_may_send_and_be_answered_before_the_end():
    limits = forms.Limits(seconds_to_send=6, seconds_to_answer=1.5)
    assert serving.seconds_to_end(limits) == 9  # 7.5 and a second, rounded up


def test_all_cores_work_unless_told_otherwise(monkeypatch):
    assert serving.parse_options([]).threads == len(os.sched_getaffinity(0))
    assert serving.parse_options(["--threads", "3"]).threads == 3
    assert (serving.parse_options([]).host, serving.parse_options([]).port) == ("127.0.0.1", 8000)


def test_who_opens_the_server_to_all_is_told_so(folder, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(serving, "serve", lambda service, listener: listener.close())
    (tmp_path / "key.txt").write_text("a-key-of-some-length")
    for arguments, warned in [
        (["--host", "0.0.0.0"], True),
        (["--host", "0.0.0.0", "--key-file", str(tmp_path / "key.txt")], False),
        (["--host", "localhost"], False),
        (["--host", "::1"], False),
    ]:
        serving.main([str(folder), "--port", "0", *arguments])
        said = capsys.readouterr().out
        assert said.startswith("Serving course (schön, ärgerlich) at http://") and ("Anybody" in said) == warned
    assert "at http://[::1]:" in said
