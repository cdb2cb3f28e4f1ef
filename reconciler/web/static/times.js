// Times as the viewer wishes: UTC as the server writes them, or those of the viewer's own clock,
// with UTC on hover. Words such as "5 minutes ago" go on by themselves.
"use strict";
(() => {
  const KEY = "times";
  const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  let local = false;
  try {
    local = localStorage.getItem(KEY) === "local";
  } catch { /* nothing may be kept here: UTC it is */ }

  // By the server's clock, which wrote the words first; this one may be wrong.
  let ahead = 0;
  const sync = () => { ahead = Date.parse(document.querySelector("main").dataset.now) - Date.now() || 0; };

  function relative(moment) {
    const seconds = Math.round((moment - Date.now() - ahead) / 1000), distance = Math.abs(seconds);
    if (distance < 10) return "now";
    const [name, unit] = UNITS.find(([, size]) => distance >= size);
    const count = Math.floor(distance / unit), words = `${count} ${name}${count === 1 ? "" : "s"}`;
    return seconds > 0 ? `in ${words}` : `${words} ago`;
  }

  function exact(moment) {
    const year = moment.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
    return moment.toLocaleString([], { day: "numeric", month: "short", year, hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  }

  function show() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime), words = time.querySelector(".relative"), text = time.querySelector(".exact");
      if (words) words.textContent = relative(moment);
      if (!local || !text) continue;
      time.title = `${exact(moment)}; ${time.title.replace(/^.*?; /, "")}`;
      text.textContent = exact(moment);
    }
    const note = document.querySelector("[data-zone-note]");
    if (note) note.textContent = local ? `Times are those of ${zone}, UTC on hover.` : "All times are UTC.";
    const button = document.querySelector("button[data-zone]");
    // Who lives by UTC has nothing to turn to.
    if (button) button.hidden = !local && zone === "UTC";
    if (button) button.textContent = local ? "Show UTC" : `Show times of ${zone}`;
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("button[data-zone]")) return;
    local = !local;
    try {
      localStorage.setItem(KEY, local ? "local" : "utc");
    } catch { /* for this page only */ }
    if (local) show();
    else location.reload();
  });
  document.addEventListener("refreshed", () => { sync(); show(); });
  setInterval(show, 10_000);
  document.documentElement.classList.add("scripted");
  sync();
  show();
})();
