// The official JavaScript package signs and posts; run by tests/wire/run. Prints one line a check, then the tally.
const { Webhook } = require("standardwebhooks");

const [base, secret] = process.argv.slice(2);
const results = [];
function check(name, good, seen) {
  results.push(good);
  console.log((good ? "ok   " : "FAIL ") + "javascript: " + name + (good ? "" : ": " + JSON.stringify(seen)));
}
function warning(identifier) {
  const sent = new Date().toISOString();
  return JSON.stringify({
    identifier, sent, status: "actual", message_type: "alert", hazard: "11B03", level: "yellow",
    headline: "沁水县发布暴雨黄色预警", areas: [{ division: "140521" }],
  });
}
async function post(id, text, { when = new Date(), sent = text, extra = "" } = {}) {
  const signature = extra + new Webhook(secret).sign(id, when, text);
  const headers = {
    "content-type": "application/json", "webhook-id": id,
    "webhook-timestamp": String(Math.floor(when.getTime() / 1000)), "webhook-signature": signature,
  };
  const response = await fetch(base + "/api/v1/warnings", { method: "POST", headers, body: sent });
  return { status: response.status, body: await response.json() };
}

(async () => {
  const text = warning("js-1");
  let seen = await post("msg_js_1", text);
  check("a signed post is accepted", seen.status === 202, seen);
  seen = await post("msg_js_1", text);
  check("the very same post again is the same warning", seen.status === 200 && seen.body.duplicate === true, seen);
  seen = await post("msg_js_2", warning("js-2"), { extra: "v1,AAAA v2,xyz " });
  check("one of several signatures is enough", seen.status === 202, seen);
  seen = await post("msg_js_3", warning("js-3"), { when: new Date(Date.now() - 301000) });
  check("a replay outside the window is refused", seen.status === 401, seen);
  seen = await post("msg_js_4", warning("js-4"), { sent: warning("js-5") });
  check("another body fits no signature", seen.status === 401, seen);
  const bad = results.filter((r) => !r).length;
  console.log(`${results.length - bad} passed, ${bad} failed`);
  process.exit(bad ? 1 : 0);
})();
