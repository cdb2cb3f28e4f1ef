// A form that was just sent is not sent again by a second click. The server starts one run for each
// key anyway; a page that the browser brings back as it was gets other keys, for other runs.
"use strict";
(() => {
  const PAUSE = 2000; // a download leaves the page as it is, and its button must work again
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, PAUSE);
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const key of document.querySelectorAll("input[name=idempotency_key]")) {
      const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is there over TLS only
      key.value = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    }
  });
})();
