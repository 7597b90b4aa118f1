// Keeps the kitchen board up to date: asks for it every second, and leaves it alone while nothing has changed.
// The server renders it, so there is one template and one place where things are escaped.

const EVERY = 1000;
const AFTER_AN_ERROR = 5000;

const board = document.getElementById("board");
const news = document.getElementById("news");
const pause = document.getElementById("pause");
let shown = "";

async function follow() {
  for (;;) {
    let wait = EVERY;
    if (!isPaused() && !document.hidden) {
      try {
        show(await ask());
        say("");
      } catch {
        wait = AFTER_AN_ERROR;
        say("The kitchen does not answer. Trying again …");
      }
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function ask() {
  // With "no-cache" the browser sends the ETag of the answer it has, and a 304 brings that answer back.
  const response = await fetch(board.dataset.source, { cache: "no-cache" });
  if (!response.ok) throw new Error(response.statusText);
  return response.text();
}

function show(html) {
  if (html === shown || isPaused()) return;
  shown = html;
  const focused = board.contains(document.activeElement) ? document.activeElement.id : "";
  board.innerHTML = html;
  if (focused) document.getElementById(focused)?.focus();
}

function say(text) {
  if (news.textContent !== text) news.textContent = text;
}

function isPaused() {
  return pause.getAttribute("aria-pressed") === "true";
}

pause.addEventListener("click", () => pause.setAttribute("aria-pressed", String(!isPaused())));
pause.hidden = false;
follow();
