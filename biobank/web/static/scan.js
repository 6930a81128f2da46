// The scan station: every scan gets one verdict in place, in words, colour, shape and sound, and it stays until the next.
import { listen, tidy } from "./scan/keys.js";
import { Queue, ask } from "./scan/queue.js";
import { play } from "./scan/sound.js";
import { add_note, put, put_tape, fill, spaced } from "./scan/show.js";

const station = document.querySelector(".station");
const words = JSON.parse(station.dataset.words);
const modes = JSON.parse(station.dataset.modes);
const kinds = JSON.parse(station.dataset.verdicts);
const el = (id) => document.getElementById(id);
const select = el("mode");
const state = { mode: select.value, before: null, box: null, list: null, position: null, last: null };
// A trigger that is held too long reads the same label twice; a hand that means it again is slower.
const TWICE_WITHIN = 1500;
const asPosition = /^[A-Z]{1,2}[0-9]{1,2}$/;

const queue = new Queue(one, (waiting, reason) => {
  const chip = el("sent");
  chip.className = waiting && reason ? "chip chip-lg held" : waiting ? "chip chip-lg waiting" : "chip chip-lg available";
  chip.querySelector("use").setAttribute("href", waiting && reason ? "#g-offline" : "#g-online");
  el("sent-words").textContent = waiting ? fill(words.waiting, { n: waiting }) : words.all_sent;
  if (!reason) return;
  const first = queue.jobs[0];
  if (first.shown === reason) return;
  first.shown = reason;
  verdict("kept", words.kept, first.text, null, words[`kept_${reason}`] ?? words.kept_server);
}, (job) => say(job, "stop", words.stop, null, words.gave_up));

// ---- modes -------------------------------------------------------------------------------------------------------------
/** The mode as a person chose it: the same tube may be meant again. */
function choose(mode) {
  state.last = null;
  change(mode);
}

function change(mode, quietly = false) {
  if (!modes.some((m) => m.act === mode)) return;
  if (mode !== state.mode) state.before = state.mode;
  state.mode = mode;
  select.value = mode;
  for (const extra of document.querySelectorAll("[data-for]")) extra.hidden = !extra.dataset.for.split(" ").includes(mode);
  if (quietly) next(); else idle();
}

function idle() {
  const mode = modes.find((m) => m.act === state.mode);
  const text = needsBox() && !state.box ? words.scan_box : needsList() && !state.list ? words.scan_list : mode.idle;
  put(el("verdict"), "idle", "scan", words.ready, "", state.box && needsBox() ? state.position : null, text);
  next();
}

const needsBox = () => state.mode === "store" || state.mode === "move";
const needsList = () => needsListFor(state.mode);

function next() {
  const into = el("into");
  into.replaceChildren();
  if (needsBox() && state.box) {
    into.append(`${words.into} `, code(state.box.code), ` ${state.box.title} `, soft(fill(words.filled, state.box)));
  } else if (needsList() && state.list) into.append(`${words.for_list} `, code(state.list));
  const line = el("next");
  line.replaceChildren();
  if (needsBox() && state.box) {
    if (state.position) line.append(`${words.next_tube} `, plate(state.position));
    else line.append(words.box_full);
  } else line.append(needsBox() ? words.scan_box : needsList() && !state.list ? words.scan_list : modes.find((m) => m.act === state.mode).next);
}

const node = (tag, name, text) => Object.assign(document.createElement(tag), { className: name, textContent: text });
const code = (text) => node("code", "code", spaced(text));
const plate = (text) => node("strong", "plate", text);
const soft = (text) => node("span", "soft", text);

// ---- one scan ----------------------------------------------------------------------------------------------------------
function scanned(text) {
  const short = tidy(text);
  const named = modes.find((m) => m.act.replace("-", "").toUpperCase() === short);
  if (named) { choose(named.act); return; }
  if (twice(short)) return;
  state.last = queue.add({ text, short, mode: state.mode, facts: facts() });
  state.last.triggered = performance.now();
  // What was wrong with one tube is not said of the next.
  el("x-condition").selectedIndex = 0;
}

/** Whether this is the scan before it once more, by a double trigger: it is left out, and that is told beside the answer to the first. */
function twice(short) {
  const first = state.last;
  if (first?.short !== short || performance.now() - first.triggered > TWICE_WITHIN) return false;
  first.triggered = performance.now();
  first.twice = true;
  if (first.said) add_note(el("verdict"), note(first));
  return true;
}

const note = (job) => (job.said === "done" || job.said === "held" ? words.twice_done : words.twice_refused);

function facts() {
  const given = {};
  for (const field of document.querySelectorAll("[data-fact]")) {
    if (field.closest("[hidden]") || !field.value.trim()) continue;
    given[field.dataset.fact] = field.value.trim();
  }
  return given;
}

async function one(job) {
  if (needsBoxFor(job.mode) && asPosition.test(job.short) && state.box) {
    state.position = job.short;
    next();
    return;
  }
  const asked = await ask("GET", `/scan/what/${encodeURIComponent(job.short)}`);
  if (asked.status !== 200) { refused(job, asked.body); return; }
  const what = asked.body;
  if (what.kind === "container") { opened(job, what); return; }
  if (what.kind === "request") { listed(job, what); return; }
  if (what.kind !== "specimen" || job.mode === "look-up") { looked(job, what); return; }
  if (needsBoxFor(job.mode) && !state.box) { say(job, "elsewhere", words.not_here, null, words.scan_box); return; }
  if (needsListFor(job.mode) && !state.list) { say(job, "elsewhere", words.not_here, null, words.scan_list); return; }
  const answer = await ask("POST", "/api/v1/scans", body(job), job.key);
  if (answer.status >= 400) await refusedTube(job, what, answer.body);
  else await done(job, what, answer.body);
}

const needsListFor = (mode) => mode === "pick" || mode === "deliver";
const needsBoxFor = (mode) => mode === "store" || mode === "move";

function body(job) {
  if (!job.body) {
    // Fixed at the first try: the same key must always carry the same request.
    const at = el("station").value.trim();
    job.body = { code: job.short, act: job.mode, occurred_at: job.at.toISOString(), device_now: new Date().toISOString() };
    if (at) job.body.station = at;
    if (needsBoxFor(job.mode)) job.body.position = `${state.box.code}:${state.position ?? ""}`;
    if (needsListFor(job.mode)) job.body.context = { pick_list: state.list };
    const given = shape(job.facts);
    if (Object.keys(given).length) job.body.facts = given;
  }
  return job.body;
}

function shape(given) {
  const { volume, unit, count, ...rest } = given;
  const facts = { ...rest };
  if (count) facts.count = Number.parseInt(count, 10);
  const name = { Mcells: "cells", pieces: "pieces" }[unit] ?? "volume";
  if (volume) facts[name] = { value: Number(volume.replace(",", ".")), unit: unit || "uL" };
  return facts;
}

function opened(job, box) {
  state.box = box;
  state.position = box.next_free;
  if (job.mode === "look-up") { looked(job, box); return; }
  if (!needsBoxFor(job.mode)) change("store", true);
  say(job, "done", words.opened, box.next_free, box.line);
  next();
}

function listed(job, list) {
  state.list = list.code;
  if (!needsListFor(job.mode)) change("pick", true);
  say(job, "done", words.opened, null, list.line);
  next();
}

function looked(job, what) {
  say(job, what.held ? "held" : "done", what.title, what.position ?? null, [what.line, what.where].filter(Boolean).join(" "), false);
  next();
}

async function done(job, what, answer) {
  const mode = modes.find((m) => m.act === job.mode);
  const place = answer.specimen?.position;
  const shown = needsBoxFor(job.mode) || job.mode === "return" || job.mode === "undo" ? short(place) : null;
  const left = answer.made?.length ? `${words.made} ${answer.made.map(spaced).join(", ")}` : what.line;
  if (answer.verdict === "held") say(job, "held", words.held, shown, fill(words.held_why, { done: mode.done, why: holds(answer) }));
  else say(job, "done", mode.done, shown, left);
  if (needsBoxFor(job.mode)) await refresh();
  if (job.mode === "undo" && state.before) change(state.before, true);
  else next();
}

const short = (place) => (typeof place === "string" ? place.split(":").pop() : place?.label ?? null);
const holds = (answer) => (answer.specimen?.holds ?? []).map((h) => words[`hold_${h.kind}`] ?? h.kind).join(", ");

async function refusedTube(job, what, problem) {
  const name = (problem.type ?? "").split("/").pop();
  if (needsBoxFor(job.mode) && kinds.elsewhere.includes(name)) {
    const wanted = state.position;
    await refresh();
    const now = problem.next_free ? "" : state.position ? fill(words.put_in, { position: state.position }) : words.box_full;
    say(job, "elsewhere", words.not_here, problem.position ?? wanted, `${problem.detail} ${now}`.trim());
    return;
  }
  refused(job, problem);
}

function refused(job, problem) {
  const name = (problem.type ?? "").split("/").pop();
  const kind = kinds.again.includes(name) ? "again" : kinds.elsewhere.includes(name) ? "elsewhere" : "stop";
  const word = { again: words.again, elsewhere: words.not_here, stop: words.stop }[kind];
  const faults = (problem.faults ?? []).map((f) => `${f.pointer.replace("/facts/", "").replace("/", "")}: ${f.message}`).join("; ");
  say(job, kind, word, null, faults || problem.detail || words.refused);
}

async function refresh() {
  const asked = await ask("GET", `/scan/what/${state.box.code}`);
  if (asked.status === 200) { state.box = asked.body; state.position = asked.body.next_free; }
  next();
}

// ---- what is seen and heard --------------------------------------------------------------------------------------------
function say(job, kind, word, place, why, counted = true) {
  verdict(kind, word, job.short, place, why);
  job.said = kind;
  if (job.twice) add_note(el("verdict"), note(job));
  // Answered, and tried again because what came after it met no network: told once.
  if (job.told) return;
  job.told = true;
  tape.unshift({ kind, word, code: job.short, place, why, at: new Date().toISOString() });
  tape.length = Math.min(tape.length, 10);
  if (counted) counts[kind === "done" || kind === "held" ? "done" : "refused"] += 1;
  remember();
}

function verdict(kind, word, text, place, why) {
  put(el("verdict"), kind, kind, word, text, place, why);
  play(kind);
}

const memory = "scan-station";
const kept = JSON.parse(sessionStorage.getItem(memory) ?? "{}");
const tape = kept.tape ?? [];
const counts = kept.counts ?? { done: 0, refused: 0 };
function remember() {
  sessionStorage.setItem(memory, JSON.stringify({ tape, counts }));
  put_tape(el("tape"), tape, words);
  el("counts").textContent = fill(words.counts, counts);
}

// ---- start -------------------------------------------------------------------------------------------------------------
el("station").value = localStorage.getItem("station") ?? "";
el("station").addEventListener("change", () => localStorage.setItem("station", el("station").value.trim()));
select.addEventListener("change", () => { choose(select.value); el("scan").focus(); });
document.addEventListener("keydown", (event) => {
  const mode = modes.find((m) => m.key === event.key);
  if (!mode || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  choose(mode.act);
  el("scan").focus();
}, true);
remember();
listen(el("scan"), scanned);
const asked = new URLSearchParams(location.search);
change(asked.get("mode") ?? state.mode);
if (asked.get("code")) scanned(asked.get("code"));
