// A form that was just sent is not sent again by a second click: each press may start a run.
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
})();
