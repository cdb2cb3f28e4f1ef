// Keeps a page current: asks for it again and puts in what changed. Pages work without this.
"use strict";
(() => {
  const main = () => document.querySelector("main[data-refresh]");
  const busy = () =>
    document.hidden ||
    main().querySelector("details[open], :is(input, select, textarea):focus") ||
    String(getSelection()) !== "";
  let shown = main() && main().innerHTML;

  async function refresh() {
    if (!main() || busy()) return;
    let answer;
    try {
      answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    } catch {
      return; // the server is away: the page stays as it is
    }
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    if (!fresh || busy() || fresh.innerHTML === shown) return;
    const focused = document.activeElement && document.activeElement.getAttribute("href");
    shown = fresh.innerHTML;
    main().replaceWith(document.adoptNode(fresh));
    if (focused) document.querySelector(`main a[href="${CSS.escape(focused)}"]`)?.focus();
    schedule();
  }

  let timer;
  function schedule() {
    clearInterval(timer);
    const seconds = main() && Number(main().dataset.refresh);
    if (seconds) timer = setInterval(refresh, seconds * 1000);
  }
  document.addEventListener("visibilitychange", refresh); // somebody came back to look
  schedule();
})();
