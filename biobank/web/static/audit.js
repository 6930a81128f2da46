// While a verification runs: how far it is, and the page anew when it is over. Without this module "Look again" does the same by hand.

const waiting = document.querySelector("[data-progress]");

async function look() {
  try {
    const answer = await fetch(waiting.dataset.progress, { headers: { Accept: "application/json" } });
    if (answer.redirected || !answer.ok) return;
    const { goes_on, read, total } = await answer.json();
    if (!goes_on) {
      location.reload();
      return;
    }
    const number = new Intl.NumberFormat(document.documentElement.lang);
    const bar = waiting.querySelector("progress");
    if (total) {
      bar.max = total;
      bar.value = read;
      waiting.querySelector(".num").hidden = false;
    }
    waiting.querySelector("[data-read]").textContent = number.format(read).replace(/[.,]/g, "\u202f");
    waiting.querySelector("[data-total]").textContent = number.format(total).replace(/[.,]/g, "\u202f");
  } catch {
    // No network: the next look may find one.
  }
  setTimeout(look, 1000);
}

if (waiting) setTimeout(look, 1000);
