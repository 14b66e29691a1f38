#!/usr/bin/env python3
"""Checks `ahoy sim` with Twilio's own Python package (pip install twilio).

Starts the program given as argument, creates, fetches, lists, cancels calls through the SDK,
and verifies every callback with the SDK's RequestValidator. Exits 0 if all of it works.

    tools/twilio-sdk-check.py target/debug/ahoy
"""
import http.server
import json
import queue
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

ACCOUNT, TOKEN = "AC" + "0" * 32, "sdk-check"
callbacks = queue.Queue()


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        pairs = urllib.parse.parse_qsl(body, keep_blank_values=True)
        url = f"http://{self.headers['Host']}{self.path}"
        good = RequestValidator(TOKEN).validate(url, dict(pairs), self.headers["X-Twilio-Signature"])
        callbacks.put((good, dict(pairs)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    log = tempfile.NamedTemporaryFile(suffix=".jsonl")
    sim = subprocess.Popen(
        [sys.argv[1], "--json", "--seed", "1", "sim", "--account-sid", ACCOUNT, "--auth-token", TOKEN,
         "--speedup", "50", "--calls-per-second", "100", "--log", log.name],
        stdout=subprocess.PIPE, text=True)
    try:
        base = json.loads(sim.stdout.readline())["listening"]
        client = Client(ACCOUNT, TOKEN)
        client.api.base_url = base
        made, refused = [], 0
        for n in range(30):
            try:
                made.append(client.calls.create(
                    to=f"+1500555{n:04}", from_="+15005550006", twiml="<Response><Pause length='2'/></Response>",
                    status_callback=f"http://127.0.0.1:{hook.server_port}/s?t={n}", timeout=20,
                    status_callback_event=["initiated", "ringing", "answered", "completed"]))
            except TwilioRestException as refusal:
                assert (refusal.status, refusal.code) == (400, 21211), refusal
                refused += 1
        ended = set()
        statuses = set()
        while len(ended) < len(made):
            good, form = callbacks.get(timeout=20)
            assert good, "signature"
            statuses.add(form["CallStatus"])
            if form["CallStatus"] in ("completed", "busy", "no-answer", "failed", "canceled"):
                ended.add(form["CallSid"])
        one = client.calls(made[0].sid).fetch()
        assert one.sid == made[0].sid and one.date_created is not None and one.direction == "outbound-api"
        assert len(client.calls.list(page_size=7)) == len(made)
        assert [call.sid for call in client.calls.list(to=made[3].to)] == [made[3].sid]
        try:
            client.calls(made[0].sid).update(status="completed")
            raise AssertionError("an ended call was updated")
        except TwilioRestException as refusal:
            assert refusal.code == 21220, refusal
        wrong = Client(ACCOUNT, "wrong")
        wrong.api.base_url = base
        try:
            wrong.calls(made[0].sid).fetch()
            raise AssertionError("wrong credentials were taken")
        except TwilioRestException as refusal:
            assert (refusal.status, refusal.code) == (401, 20003), refusal
        print(f"ok: {len(made)} calls, {refused} refused, statuses {sorted(statuses)}, all signatures valid")
    finally:
        sim.terminate()


if __name__ == "__main__":
    main()
