// Keeps a page current, and honest: the server's events say when to ask for it again, what changed
// is put in, and a banner says when it is older than it seems. Pages work without this.
"use strict";
(() => {
  const main = () => document.querySelector("main[data-refresh]");
  if (!main()) return;
  const banner = document.getElementById("banner");
  const root = document.querySelector("a.brand").getAttribute("href"); // the server's own path
  const GAP = 2000; // at least so long between two refreshes
  const AGAIN = 30_000; // a stream that was refused is asked for again after this
  const OLD = 60_000; // after this the page says how old it is
  let shown = content(main()), asOf = Date.now(), ended = false;
  let took = 0, waiting, asking = false, stream, listened = 0;

  // Keys of forms are new each time that a page is made, and no reason to put it in.
  function content(page) {
    return page.innerHTML.replace(/(name="idempotency_key" value=")[^"]*/g, "$1");
  }

  // An open menu, a field that is being filled, or selected text: nothing is taken from somebody.
  const busy = () =>
    main().querySelector("details[open], :is(input, select, textarea):focus") || String(getSelection()) !== "";

  function say(kind, text, link) {
    if (banner.dataset.kind === kind) return;
    banner.dataset.kind = kind;
    banner.hidden = !kind;
    banner.replaceChildren(text, ...(link ? [" ", link] : []));
  }

  const at = () => new Date(asOf).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

  function gone(why) {
    say("gone", `${why} This page shows how things stood at ${at()}.`);
  }

  function loggedOut() {
    ended = true;
    stream?.close();
    const link = document.createElement("a");
    link.href = `${root}login?next=${encodeURIComponent(location.pathname.replace(root, "/") + location.search)}`;
    link.textContent = "Sign in again";
    say("ended", `Your session has ended. This page shows how things stood at ${at()}.`, link);
  }

  function old() {
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = "Load it again";
    say("old", `This page shows how things stood at ${at()}: it waits while you are at work on it.`, link);
  }

  async function refresh() {
    clearTimeout(waiting);
    waiting = undefined;
    if (ended || asking || document.hidden || !main()) return;
    if (busy()) {
      if (Date.now() - asOf > OLD && banner.dataset.kind !== "gone") old();
      return;
    }
    asking = true;
    const began = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 401) return loggedOut();
      if (!answer.ok) return gone(`The server answers with an error (${answer.status}).`);
      put(new DOMParser().parseFromString(await answer.text(), "text/html"), began);
      if (!stream || (stream.readyState === EventSource.CLOSED && Date.now() - listened > AGAIN)) listen();
    } catch {
      gone("The server cannot be reached.");
    } finally {
      took = Date.now() - began;
      asking = false;
    }
  }

  function put(page, began) {
    const fresh = page.querySelector("main");
    if (!fresh || !main() || busy()) return;
    asOf = began;
    say("", "");
    document.title = page.title;
    main().dataset.now = fresh.dataset.now;
    document.dispatchEvent(new Event("refreshed"));
    if (content(fresh) === shown) return;
    const focused = document.activeElement?.getAttribute("href");
    shown = content(fresh);
    main().replaceWith(document.adoptNode(fresh));
    if (focused) document.querySelector(`main a[href="${CSS.escape(focused)}"]`)?.focus();
    document.dispatchEvent(new Event("refreshed"));
  }

  // Bursts become one refresh, and a page that takes long is asked for less often.
  function soon() {
    waiting ??= setTimeout(refresh, Math.max(GAP, 10 * took));
  }

  // A browser has six connections for a server: only the page that is seen holds one.
  function listen() {
    stream?.close();
    if (document.hidden || ended) return;
    listened = Date.now();
    stream = new EventSource(`${root}v1/events`);
    for (const kind of ["run", "autopilot", "revision", "reset"]) stream.addEventListener(kind, soon);
    stream.addEventListener("error", soon); // gone, or logged out: the refresh finds out which
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stream?.close();
    else {
      refresh();
      listen();
    }
  });
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", (event) => event.persisted && listen());
  const seconds = Number(main().dataset.refresh);
  // Also where nothing is told: words such as "in 5 minutes" grow old by themselves.
  if (seconds) setInterval(refresh, seconds * 1000);
  if (seconds) listen();
})();
