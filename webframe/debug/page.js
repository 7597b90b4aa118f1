"use strict";

(() => {
  const STORED = "webframe-console-token";
  const { console: address, tokenHeader } = document.body.dataset;

  // The page shows everything without scripts; what needs one appears here.
  const copy = document.getElementById("copy");
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById("plain").textContent);
    copy.textContent = "Copied";
  });

  for (const place of document.querySelectorAll(".console")) {
    place.hidden = false;
    place.addEventListener("toggle", () => openConsole(place), { once: true });
  }

  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function openConsole(place) {
    const log = make("pre", { hidden: true });
    log.setAttribute("aria-live", "polite");
    const input = make("textarea", { rows: 1, spellcheck: false, autocapitalize: "off", placeholder: "Python in this frame" });
    input.setAttribute("aria-label", "Python to run in this frame");
    const form = make("form", {}, input, make("button", { textContent: "Run" }));
    const history = [];
    let position = 0;

    place.append(log, form);
    input.focus();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run();
    });
    input.addEventListener("keydown", (event) => {
      const single = !input.value.includes("\n");
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        run();
      } else if (event.key === "ArrowUp" && single && position > 0) {
        event.preventDefault();
        recall(position - 1);
      } else if (event.key === "ArrowDown" && single && position < history.length) {
        event.preventDefault();
        recall(position + 1);
      }
    });
    input.addEventListener("input", fit);

    function fit() {
      input.rows = Math.min(20, input.value.split("\n").length);
    }

    function recall(index) {
      position = index;
      input.value = history[index] ?? "";
      fit();
    }

    function print(text, name) {
      if (text) {
        log.hidden = false;
        log.append(make("span", { className: name, textContent: text }));
        log.scrollTop = log.scrollHeight;
      }
    }

    async function run() {
      const source = input.value;
      if (!source.trim() || form.inert) return;
      form.inert = true;
      const answer = await ask(source);
      form.inert = false;
      if (answer.token === false) {
        askForToken(place, form, answer.error, run);
        return;
      }
      if (answer.more) {
        const indent = /^\s*/.exec(source.split("\n").at(-1))[0];
        input.value = source + "\n" + indent + (source.trimEnd().endsWith(":") ? "    " : "");
        fit();
        input.focus();
        return;
      }
      print(source.replace(/^/, ">>> ").replace(/\n/g, "\n... ") + "\n", "typed");
      print(answer.output ?? answer.error + "\n", answer.error ? "failed" : "");
      history.push(source);
      recall(history.length);
      input.focus();
    }

    async function ask(source) {
      const token = sessionStorage.getItem(STORED);
      if (!token) return { token: false };
      try {
        const response = await fetch(address, {
          method: "POST",
          headers: { "Content-Type": "application/json", [tokenHeader]: token },
          body: JSON.stringify({ frame: place.dataset.frame, source }),
        });
        return await response.json();
      } catch (error) {
        return { error: `No answer: ${error.message}` };
      }
    }
  }

  function askForToken(place, form, error, proceed) {
    const input = make("input", { autocomplete: "off", spellcheck: false, placeholder: "Token" });
    input.setAttribute("aria-label", "Console token");
    const unlock = make("form", {}, input, make("button", { textContent: "Unlock" }));
    const words = make("p", { textContent: error ?? "The server wrote a token to its log, which is your terminal. Paste it here, once." });
    form.hidden = true;
    place.append(words, unlock);
    input.focus();
    unlock.addEventListener("submit", (event) => {
      event.preventDefault();
      sessionStorage.setItem(STORED, input.value.trim());
      words.remove();
      unlock.remove();
      form.hidden = false;
      proceed();
    });
  }
})();
