// Lanes: the sentence of the mark that is pointed at or focused; arrow keys go from mark to mark.
// Without this each mark still has its sentence as a title, and is a link.
"use strict";
(() => {
  const mark = (event) => event.target.closest?.(".lane a");
  function tell(link) {
    const line = document.querySelector("[data-sentence]");
    if (line) line.textContent = link.getAttribute("aria-label");
  }
  document.addEventListener("pointerover", (event) => {
    if (mark(event)) tell(mark(event));
  });
  document.addEventListener("focusin", (event) => {
    const link = mark(event);
    if (!link) return;
    for (const other of link.closest("svg").querySelectorAll("a[tabindex='0']")) other.setAttribute("tabindex", "-1");
    link.setAttribute("tabindex", "0");
    tell(link);
  });
  document.addEventListener("keydown", (event) => {
    const link = mark(event);
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!link || step === undefined) return;
    const all = [...link.closest("svg").querySelectorAll("a")];
    const to = Math.min(all.length - 1, Math.max(0, all.indexOf(link) + step));
    all[to].focus();
    event.preventDefault();
  });
})();
