// Keeps what a page says fresh. Everything works without it.
"use strict";
(() => {
  const EACH_MS = 15000;
  const PATIENCE_MS = 12000;
  const main = document.getElementById("main");
  const stale = document.getElementById("stale");
  const text = document.getElementById("live-text");
  const button = document.getElementById("live-button");
  let isPaused = false;
  let isAsking = false;

  function tell() {
    text.textContent = isPaused ? "Refreshing is paused." : "Refreshed every 15 s.";
    button.textContent = isPaused ? "Go on" : "Pause";
  }

  // Nothing changes under the hands of who fills in a form or marks a text.
  function isInUse() {
    const selected = document.getSelection();
    const hasMarked = selected && !selected.isCollapsed && main.contains(selected.anchorNode);
    const field = document.activeElement;
    return hasMarked || (main.contains(field) && field.closest("form") !== null);
  }

  function links() {
    return Array.from(main.querySelectorAll("a, summary, button, pre"));
  }

  function show(fresh) {
    const open = Array.from(main.querySelectorAll("details[open]"), (each) => each.id);
    const focused = links().indexOf(document.activeElement);
    for (const id of open) {
      const same = id && fresh.querySelector("#" + CSS.escape(id));
      if (same) {
        same.open = true;
      }
    }
    main.replaceChildren(...fresh.childNodes);
    if (focused >= 0 && links()[focused]) {
      links()[focused].focus({ preventScroll: true });
    }
  }

  async function refresh() {
    if (isPaused || isAsking || document.hidden || isInUse()) {
      return;
    }
    isAsking = true;
    try {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const answer = await fetch(location.href, { cache: "no-store", signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (fresh === null) {
        throw new Error("status " + answer.status);
      }
      if (isPaused || isInUse()) {
        return;
      }
      show(fresh);
      document.title = page.title;
      stale.hidden = true;
    } catch (error) {
      if (stale.hidden) {
        stale.textContent = "This page cannot be refreshed; what it shows is old. (" + error.message + ")";
        stale.hidden = false;
      }
    } finally {
      isAsking = false;
    }
  }

  button.addEventListener("click", () => {
    isPaused = !isPaused;
    tell();
    refresh();
  });
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, EACH_MS);
  tell();
  document.getElementById("live").hidden = false;
})();
