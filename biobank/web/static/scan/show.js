// Puts verdicts and the tape on the page. Text only ever goes in as text.

const CODE = /\b[BCDFGHJKNPRSTVX][0-9BCDFGHJKNPRSTVX]{3}[ \u00a0][0-9BCDFGHJKNPRSTVX]{4}\b/g;

/** `SB4DR120` as `SB4D R120`, unbroken. */
export function spaced(code) {
  return code.length === 8 ? `${code.slice(0, 4)}\u00a0${code.slice(4)}` : code;
}

/** A text with its places filled: `fill("{n} wait", {n: 3})`. */
export function fill(text, facts) {
  return text.replace(/\{(\w+)\}/g, (_, name) => facts[name] ?? "");
}

function sign(name, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#g-${name}`);
  svg.setAttribute("viewBox", "0 0 20 20");
  if (label) { svg.setAttribute("role", "img"); svg.setAttribute("aria-label", label); } else svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

function element(tag, name, ...inside) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...inside.filter((part) => part !== null && part !== ""));
  return made;
}

function with_codes(text) {
  const made = document.createDocumentFragment();
  let from = 0;
  for (const found of text.matchAll(CODE)) {
    made.append(text.slice(from, found.index), element("code", "code", found[0].replace(" ", "\u00a0")));
    from = found.index + found[0].length;
  }
  made.append(text.slice(from));
  return made;
}

/** The big verdict: the word, the code with its place, the one reason and what to do now. */
export function put(block, kind, glyph, word, code, place, why) {
  block.className = `verdict verdict-${kind}`;
  block.replaceChildren(
    element("p", "verdict-word", sign(glyph), word),
    element("p", "verdict-what", code ? element("code", "code", spaced(code)) : "", code && place ? " " : "", place ? element("span", "plate", place) : ""),
    element("p", "verdict-why", with_codes(why ?? "")),
  );
}

/** One more line below the verdict, in place of an earlier one. */
export function add_note(block, text) {
  block.querySelector(".verdict-note")?.remove();
  block.append(element("p", "verdict-note", text));
}

/** The last ten scans, newest first. */
export function put_tape(list, scans, words) {
  list.replaceChildren(...scans.map((scan) => {
    const at = new Date(scan.at);
    const svg = sign(scan.kind, words[`sign_${scan.kind}`] ?? scan.kind);
    svg.setAttribute("class", `glyph sign-${scan.kind}`);
    const time = element("time", "", at.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }));
    time.dateTime = scan.at;
    const what = element("span", "what", element("code", "code", spaced(scan.code)), ` ${scan.word}`, scan.place ? " " : "", scan.place ? element("strong", "", scan.place) : "");
    const why = element("span", "why", scan.why ?? "");
    why.title = scan.why ?? "";
    return element("li", "", svg, what, time, why);
  }));
}
