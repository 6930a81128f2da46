// Sends scans in order, one at a time, each under its own Idempotency-Key until the server has answered it.
// A scan that got no answer stays first in the queue and is sent again with the same key: it is never applied twice and never lost.

const WAITS = [1000, 2000, 4000, 8000, 10000];
// A fault of the server was rolled back; three tries tell a hiccup from a fault.
const FAULTS = 2;
const PATIENCE = 15000;

/** A problem of the network or the server itself: not an answer to the scan. */
export class NoAnswer extends Error {
  constructor(reason, status = 0) { super(reason); this.reason = reason; this.status = status; }
}

export class Queue {
  /**
   * `work(job)` does one job and throws NoAnswer when there was none; `changed(waiting, reason)` hears how many wait;
   * `gave_up(job)` hears of a scan at which the server itself fails again and again, so that it does not stop the bench.
   */
  constructor(work, changed, gave_up) {
    this.work = work;
    this.changed = changed;
    this.gave_up = gave_up;
    this.jobs = [];
    this.running = false;
    this.wake = null;
    window.addEventListener("online", () => this.wake?.());
    // Back from the window in which somebody signed in again.
    window.addEventListener("focus", () => this.wake?.());
    window.addEventListener("beforeunload", (event) => { if (this.jobs.length) event.preventDefault(); });
  }

  /** Put a scan at the end; the job as it is kept. */
  add(job) {
    const kept = { ...job, key: crypto.randomUUID(), at: new Date() };
    this.jobs.push(kept);
    this.changed(this.jobs.length, null);
    if (!this.running) this.run();
    return kept;
  }

  async run() {
    this.running = true;
    let tries = 0;
    while (this.jobs.length) {
      try {
        await this.work(this.jobs[0], tries);
        this.jobs.shift();
        tries = 0;
        this.changed(this.jobs.length, null);
      } catch (error) {
        if (error.status === 500 && tries >= FAULTS) {
          this.gave_up(this.jobs.shift());
          tries = 0;
          this.changed(this.jobs.length, null);
          continue;
        }
        const reason = error instanceof NoAnswer ? error.reason : "fault";
        if (!(error instanceof NoAnswer)) console.error(error);
        this.changed(this.jobs.length, reason);
        await this.pause(WAITS[Math.min(tries, WAITS.length - 1)]);
        tries += 1;
      }
    }
    this.running = false;
  }

  pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => { clearTimeout(timer); resolve(); };
    }).finally(() => { this.wake = null; });
  }
}

const meta = (name, page = document) => page.querySelector(`meta[name="${name}"]`);

async function sent(method, url, body, key) {
  const headers = { Accept: "application/json, application/problem+json", "Accept-Language": document.documentElement.lang };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRFToken"] = meta("csrf-token").content;
  if (key) headers["Idempotency-Key"] = key;
  let answer;
  try {
    answer = await fetch(url, {
      method, headers, credentials: "same-origin", redirect: "manual", cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw new NoAnswer("network");
  }
  if (answer.type === "opaqueredirect" || answer.status === 401) throw new NoAnswer("session");
  if (answer.status >= 500 || answer.status === 429) throw new NoAnswer("server", answer.status);
  return answer;
}

/** Ask the server; {status, body}. Throws NoAnswer without network, on a server fault, and when the session is over. */
export async function ask(method, url, body, key, again = false) {
  const answer = await sent(method, url, body, key);
  let read;
  try {
    read = await answer.json();
  } catch {
    if (answer.status >= 400) return { status: answer.status, body: {} };
    throw new NoAnswer("server");
  }
  // A new session has a new token; the scan itself was not looked at.
  if (answer.status === 400 && !again && read.type === "/problems/form-expired") {
    await renew();
    return ask(method, url, body, key, true);
  }
  return { status: answer.status, body: read };
}

/** Take the token of the session that is there now, when it is the same person's: what was scanned is never sent in another name. */
async function renew() {
  const page = new DOMParser().parseFromString(await (await sent("GET", location.pathname)).text(), "text/html");
  if (meta("who", page)?.content !== meta("who").content) throw new NoAnswer("person");
  meta("csrf-token").content = meta("csrf-token", page).content;
}
