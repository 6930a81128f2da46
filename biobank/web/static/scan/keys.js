// Reads a keyboard wedge: one field that keeps the focus, any suffix (CR, LF, Tab, the literal text "\n"), symbology prefixes.
// Whatever is typed while an answer is awaited goes on into the field; nothing here ever waits.

const LITERAL_END = /\\(?:r\\n|n|r|t)$/;
const SCAN_AT_END = /(?:\](?:C0|C1|d1|d2|Q1|Q3))?[A-Za-z][A-Za-z0-9]{3}[ -]?[A-Za-z0-9]{4}$/;
const PREFIX = /^\](?:C0|C1|d1|d2|Q1|Q3)/;
const ALPHABET = "0123456789BCDFGHJKNPRSTVX";
const VALUES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*";
const BACK_AFTER = 8000;

/** What was scanned, without what scanners add. Spaces and hyphens in a code do not count. */
export function tidy(text) {
  return text.trim().replace(PREFIX, "").replace(/\\[rnt]/g, "").replace(/[\s\u001d-]/g, "").toUpperCase();
}

/** Whether a tidy text is one of our codes: eight characters of the alphabet, ISO 7064 MOD 37-2. */
export function isCode(text) {
  if (text.length !== 8 || [...text].some((c) => !ALPHABET.includes(c)) || /[0-9]/.test(text[0])) return false;
  let product = 0;
  for (const c of text.slice(0, 7)) product = ((product + VALUES.indexOf(c)) * 2) % 37;
  return VALUES[(38 - product) % 37] === text[7];
}

function isText(node) {
  return node instanceof HTMLInputElement && node.type !== "radio" && node.type !== "checkbox";
}

/**
 * Keep `field` in focus and hand every finished scan to `onScan`.
 * Other controls may be visited with Tab or a click; Enter, Escape, a scan, or eight quiet seconds lead back.
 */
export function listen(field, onScan) {
  let quiet = 0;
  const back = () => field.focus({ preventScroll: true });
  const finish = () => {
    const text = field.value;
    field.value = "";
    if (tidy(text)) onScan(text);
  };
  const away = () => {
    clearTimeout(quiet);
    if (document.activeElement !== field) quiet = setTimeout(back, BACK_AFTER);
  };

  // A tube scanned while the hand was in another field: the scan is taken, and the field gets back what it held before it.
  let typed = "";
  let before = [];
  let at_field = null;
  const other = (at, event) => {
    if (at !== at_field) { at_field = at; typed = ""; before = []; }
    if (event.key.length === 1) { typed += event.key; before.push(at.value); return; }
    if (event.key !== "Enter" && event.key !== "Tab") { typed = ""; before = []; return; }
    const found = typed.match(SCAN_AT_END);
    if (found && isCode(tidy(found[0]))) {
      event.preventDefault();
      at.value = before[found.index];
      onScan(found[0]);
    } else if (event.key === "Tab") return;
    event.preventDefault();
    at_field = null;
    at.dispatchEvent(new Event("change", { bubbles: true }));
    back();
  };

  field.form.addEventListener("submit", (event) => { event.preventDefault(); finish(); });
  field.addEventListener("input", () => { if (LITERAL_END.test(field.value)) finish(); });
  field.addEventListener("paste", (event) => {
    const parts = (event.clipboardData?.getData("text") ?? "").split(/[\r\n\t]+/).filter((part) => part.trim());
    if (parts.length > 1) { event.preventDefault(); parts.forEach(onScan); }
  });
  field.addEventListener("blur", () => setTimeout(() => {
    const now = document.activeElement;
    if (!now || now === document.body || now.id === "content") back(); else away();
  }));
  document.addEventListener("pointerup", (event) => {
    if (!event.target.closest("a, button, select, input, label, summary")) back();
  });
  document.addEventListener("focusin", away);
  window.addEventListener("focus", () => { if (document.activeElement === document.body) back(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) back(); });

  document.addEventListener("keydown", (event) => {
    const at = event.target;
    if (at === field) {
      // Tab ends a scan when something was typed; on an empty field it leads on, so nobody is trapped here.
      if (event.key === "Tab" && !event.shiftKey && field.value.trim()) { event.preventDefault(); finish(); }
      return;
    }
    away();
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape") { event.preventDefault(); back(); return; }
    if (isText(at)) { other(at, event); return; }
    if (event.key.length === 1 && event.key !== " " && at.tagName !== "SELECT") {
      event.preventDefault();
      back();
      field.value += event.key;
    }
  }, true);
  back();
}
