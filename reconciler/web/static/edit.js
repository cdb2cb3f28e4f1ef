// Shows what an edit would do while one types: the form is sent as its button "Preview" sends it,
// and the preview of the answer is put in. The page works without this.
"use strict";
(() => {
  const form = document.querySelector("form[data-live]");
  const wrongs = [...form.querySelectorAll("[data-wrong]")];
  const preview = () => document.getElementById("preview");
  let timer, asked, sent = false, changed = false;

  function tell(text) {
    const banner = document.getElementById("banner");
    banner.textContent = text;
    banner.hidden = !text;
  }

  async function show() {
    asked?.abort();
    asked = new AbortController();
    // Not `form.action`: its buttons are called that.
    const address = form.getAttribute("action");
    const body = new URLSearchParams(new FormData(form));
    body.set("action", "preview");
    let page;
    try {
      const answer = await fetch(address, { method: "POST", body, redirect: "manual", signal: asked.signal });
      if (answer.type === "opaqueredirect") return tell("Your session has ended: sign in again in another tab. What you wrote is still here.");
      if (!answer.ok) return tell(`The server answers with an error (${answer.status}). What you wrote is still here.`);
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch (error) {
      if (error.name !== "AbortError") tell("The server cannot be reached. What you wrote is still here.");
      return; // else a newer one is on its way
    }
    tell("");
    const fresh = page.getElementById("preview");
    if (!fresh) return;
    for (const fresh of page.querySelectorAll("[data-wrong]")) {
      // A name is what a manifest says: no selector may be made of it.
      const here = wrongs.find((each) => each.dataset.wrong === fresh.dataset.wrong);
      if (here) here.replaceChildren(...document.adoptNode(fresh).childNodes);
    }
    const open = preview().querySelector("details")?.open;
    preview().replaceWith(document.adoptNode(fresh));
    if (open) preview().querySelector("details")?.setAttribute("open", "");
  }

  form.addEventListener("input", (event) => {
    if (event.target.readOnly) return;
    changed = true;
    preview().classList.add("stale");
    clearTimeout(timer);
    timer = setTimeout(show, 350);
  });
  form.addEventListener("submit", () => { sent = true; });
  addEventListener("beforeunload", (event) => { if (changed && !sent) event.preventDefault(); });
  addEventListener("pageshow", () => { sent = false; });
})();
