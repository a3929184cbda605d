"use strict";
const $ = (id) => document.getElementById(id);
const make = (tag, text, className) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
};
const WORDS = {
  fresh: "fresh", stale: "stale: not used", missing: "missing", late: "known only later: not used", unseen: "new to the model",
};
const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const signed = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "always" });
let last = null;

const key = () => sessionStorage.getItem("key");
const ask = async (path, body) => {
  const headers = key() ? { authorization: `Bearer ${key()}` } : {};
  const options = body ? { method: "POST", body: JSON.stringify(body), headers: { ...headers, "content-type": "application/json" } } : { headers };
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (answer.status === 401) {
    $("key-form").hidden = false;
    if (body) $("key").focus();
  }
  return [answer.ok, content];
};

const age = (seconds) => {
  if (seconds === null) return "–";
  if (seconds === 0) return "now";
  const size = Math.abs(seconds), sign = seconds < 0 ? "−" : "";
  const [unit, name] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([length]) => size >= length) || [1, "s"];
  return `${sign}${Math.floor(size / unit)} ${name}`;
};
const shown = (value) => value === null || value === undefined ? "–" : typeof value === "number" ? number.format(value) : String(value);

const bar = (value, most) => {
  const cell = make("td"), box = make("span", undefined, "bar");
  const width = most ? Math.min(Math.abs(value) / most, 1) * 50 : 0, x = value < 0 ? 50 - width : 50;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, given] of Object.entries({ viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": signed.format(value) })) svg.setAttribute(name, given);
  const part = (tag, given) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, one] of Object.entries(given)) node.setAttribute(name, one);
    svg.append(node);
  };
  part("rect", { x, y: 0, width, height: 10, class: value < 0 ? "down" : "up" });
  part("line", { x1: 50, x2: 50, y1: 0, y2: 10, "vector-effect": "non-scaling-stroke" });
  box.append(svg);
  cell.append(box, make("small", signed.format(value)));
  return cell;
};

const row = (name, feature, contribution, most) => {
  const line = make("tr"), head = make("th", name), value = make("td", shown(feature.value)), status = make("td", WORDS[feature.status]);
  head.scope = "row";
  if (feature.status !== "fresh") {
    status.className = "warn";
    value.append(make("small", `read as ${shown(feature.stand_in) || "no words"}`));
  }
  line.append(head, value, status, make("td", age(feature.age_seconds), "n"), bar(contribution, most));
  return line;
};

const show = (answer) => {
  const found = Object.entries(answer.contributions).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const most = found.length ? Math.abs(found[0][1]) : 0;
  const rows = found.map(([name, value]) => row(name, answer.features[name], value, most));
  $("probability").textContent = `${(answer.probability * 100).toFixed(1)} %`;
  $("as-of").textContent = answer.as_of.replace("T", " ").replace("Z", " UTC");
  $("inputs").replaceChildren(...rows.slice(0, SHOWN));
  $("rest").replaceChildren(...rows.slice(SHOWN));
  $("more").hidden = rows.length <= SHOWN;
  $("more").firstElementChild.textContent = `The other ${rows.length - SHOWN} inputs`;
  $("nothing").hidden = true;
  $("answer").hidden = false;
};

const forget = () => {
  for (const node of document.querySelectorAll(".error")) node.textContent = "";
  for (const node of document.querySelectorAll("[aria-invalid]")) node.removeAttribute("aria-invalid");
};
const fault = (control, place, text) => {
  place.textContent = text;
  if (control) control.setAttribute("aria-invalid", "true");
  (control || place).focus();
};

const typed = (control) => {
  const text = control.value, dtype = control.dataset.dtype;
  if (text === "") return null;
  if (dtype === "int64" || dtype === "float64") return Number(text);
  if (dtype === "bool") return text === "true";
  if (dtype === "timestamp") return `${text}${text.length === 16 ? ":00" : ""}Z`;
  return text;
};

const submit = (form, read, at) => form.addEventListener("submit", async (event) => {
  event.preventDefault();
  forget();
  const body = read();
  try {
    const [ok, content] = await ask("/predict", { ...body, explain: true });
    if (ok) show(content);
    else at(content);
  } catch {
    fault(null, $("form-error"), "The endpoint does not answer; try again.");
  }
  refresh();
});
submit($("id-form"), () => ({ id: $("event-id").value }), (problem) => fault($("event-id"), $("id-error"), problem.detail));
submit(
  $("fields-form"),
  () => ({ fields: Object.fromEntries([...$("fields-form").elements].filter((c) => c.name).map((c) => [c.name, typed(c)]).filter(([, v]) => v !== null)) }),
  (problem) => {
    const control = problem.field && $(`f-${problem.field}`);
    fault(control, control ? $(`e-${problem.field}`) : $("form-error"), problem.detail);
  },
);
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", $("key").value);
  $("key").value = "";
  $("key-form").hidden = true;
  refresh();
});

const milliseconds = (seconds) => seconds === null ? "–" : `${short.format(seconds * 1000)} ms`;
const refresh = async () => {
  if (document.hidden) return;
  let ok, now;
  try {
    [ok, now] = await ask("/status");
  } catch {
    ok = false;
  }
  if (!ok) {
    $("health").textContent = "unknown";
    return;
  }
  $("health").textContent = now.ready ? "ready" : "not ready";
  $("health").className = `figure ${now.ready ? "good" : "bad"}`;
  $("reason").textContent = now.reason || `up for ${age(now.uptime_seconds)}`;
  $("predictions").textContent = number.format(now.predictions);
  const requests = now.requests.reduce((sum, one) => sum + one.count, 0);
  const failed = now.requests.filter((one) => one.status >= 500).reduce((sum, one) => sum + one.count, 0);
  const rate = last ? Math.max(0, now.predictions - last.predictions) / Math.max(1, now.uptime_seconds - last.uptime_seconds) : 0;
  $("rate").textContent = `${short.format(rate)} a second; ${number.format(failed)} of ${number.format(requests)} requests failed`;
  $("p50").textContent = milliseconds(now.predict_seconds.p50);
  $("p99").textContent = `median; 99 % within ${milliseconds(now.predict_seconds.p99)}`;
  const odd = Object.entries(now.inputs_not_fresh), count = odd.reduce((sum, [, n]) => sum + n, 0);
  $("fresh").textContent = now.inputs ? `${(100 * (1 - count / now.inputs)).toFixed(1)} %` : "–";
  $("odd").textContent = odd.map(([word, n]) => `${word} ${number.format(n)}`).join(", ") || "of all inputs so far";
  $("lag").textContent = now.store_lag_seconds === null ? "empty" : now.store_lag_seconds <= 0 ? "up to date" : `${age(now.store_lag_seconds)} behind`;
  $("through").textContent = now.store_through ? `filled through ${now.store_through.slice(0, 16).replace("T", " ")}` : "";
  last = now;
};
refresh();
setInterval(refresh, 5000);
