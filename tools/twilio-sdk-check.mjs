// Checks `ahoy sim` with Twilio's own Node package (npm install twilio).
//
// Starts the program given as first argument; creates, fetches, lists, cancels and records calls through the SDK, and
// verifies every callback with the SDK's validator. Exits 0 if all of it works. The second argument is the folder that
// holds node_modules.
//
//     node tools/twilio-sdk-check.mjs target/debug/ahoy target/twilio-node
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const [program, modules] = process.argv.slice(2);
const twilio = createRequire(join(resolve(modules), "check.js"))("twilio");
const account = "AC" + "0".repeat(32);
const token = "sdk-check";
const folder = mkdtempSync(join(tmpdir(), "ahoy-sdk-"));

const seen = [];
let news = () => {};
const hook = http.createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const form = Object.fromEntries(new URLSearchParams(body));
    const url = `http://${request.headers.host}${request.url}`;
    const good = twilio.validateRequest(token, request.headers["x-twilio-signature"], url, form);
    seen.push({ good, form });
    response.writeHead(204).end();
    news();
  });
});
hook.listen(0, "127.0.0.1");
await once(hook, "listening");
const at = (path) => `http://127.0.0.1:${hook.address().port}/${path}`;

const until = async (what, found) => {
  const deadline = Date.now() + 20_000;
  while (!found()) {
    assert(Date.now() < deadline, `waited in vain for ${what}`);
    await Promise.race([new Promise((next) => (news = next)), new Promise((next) => setTimeout(next, 200))]);
  }
};

const refused = async (what, status, code) => {
  try {
    await what();
  } catch (refusal) {
    assert.deepEqual([refusal.status, refusal.code], [status, code]);
    return;
  }
  assert.fail("it was not refused");
};

const sim = spawn(program, [
  "--json", "--seed", "1", "sim", "--account-sid", account, "--auth-token", token,
  "--speedup", "10", "--calls-per-second", "100", "--log", join(folder, "sim.jsonl"),
], { stdio: ["ignore", "pipe", "inherit"] });
try {
  const [ready] = await once(createInterface({ input: sim.stdout }), "line");
  const base = JSON.parse(ready).listening;
  const client = twilio(account, token);
  client.api.baseUrl = base;
  const made = [];
  let invalid = 0;
  for (let n = 0; n < 30; n += 1) {
    try {
      made.push(await client.calls.create({
        to: `+1500555${String(n).padStart(4, "0")}`, from: "+15005550006", timeout: 20,
        twiml: "<Response><Pause length='20'/></Response>",
        statusCallback: at(`s?t=${n}`), statusCallbackEvent: ["initiated", "ringing", "answered", "completed"],
      }));
    } catch (refusal) {
      assert.deepEqual([refusal.status, refusal.code], [400, 21211]);
      invalid += 1;
    }
  }
  const answered = () => seen.find(({ form }) => form.CallStatus === "in-progress");
  await until("an answer", answered);
  const live = answered().form.CallSid;
  const recording = await client.calls(live).recordings.create({
    recordingChannels: "dual", recordingStatusCallback: at("r"), recordingStatusCallbackEvent: ["completed", "absent"],
  });
  assert.equal(recording.status, "in-progress");
  assert.deepEqual((await client.calls(live).recordings.list()).map((it) => it.sid), [recording.sid]);
  const ended = new Set();
  await until("all ends", () => {
    for (const { form } of seen) {
      if (["completed", "busy", "no-answer", "failed", "canceled"].includes(form.CallStatus)) ended.add(form.CallSid);
    }
    return ended.size === made.length;
  });
  const told = () => seen.find(({ form }) => form.RecordingSid === recording.sid && form.RecordingStatus);
  await until("the recording", told);
  // This call had no stream, so its recording has no sound.
  assert.equal(told().form.RecordingStatus, "absent");
  assert.equal((await client.recordings(recording.sid).fetch()).status, "absent");
  assert(seen.every(({ good }) => good), "a signature is wrong");
  const one = await client.calls(made[0].sid).fetch();
  assert.equal(one.sid, made[0].sid);
  assert.equal(one.direction, "outbound-api");
  assert.equal((await client.calls.list({ pageSize: 7 })).length, made.length);
  assert.deepEqual((await client.calls.list({ to: made[3].to })).map((call) => call.sid), [made[3].sid]);
  await refused(() => client.calls(made[0].sid).update({ status: "completed" }), 400, 21220);
  await refused(() => client.calls(made[0].sid).recordings.create({}), 400, 21220);
  const wrong = twilio(account, "wrong");
  wrong.api.baseUrl = base;
  await refused(() => wrong.calls(made[0].sid).fetch(), 401, 20003);
  console.log(`ok: ${made.length} calls, ${invalid} refused, ${seen.length} callbacks, all signatures valid`);
} finally {
  sim.kill("SIGTERM");
  hook.close();
}
process.exit(0);
