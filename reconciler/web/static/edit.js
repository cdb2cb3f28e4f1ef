// Shows what an edit would do while one types: the form is sent as its button "Preview" sends it,
// and the preview of the answer is put in. The page works without this.
"use strict";
(() => {
  const form = document.querySelector("form[data-live]");
  const preview = () => document.getElementById("preview");
  let timer, asked, sent = false, changed = false;

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
      if (!answer.ok) return;
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return; // superseded, or the server is away: the page says so by itself
    }
    const fresh = page.getElementById("preview");
    if (!fresh) return;
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
