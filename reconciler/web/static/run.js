// One run while it works: what its agent writes, how long it has been at it.
// The page works without this: it shows what there is whenever it is loaded.
"use strict";
(() => {
  let shown = null; // the element that is written into, kept when the page around it is put in anew
  let stream = null;

  const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  const toEnd = (box) => { box.scrollTop = box.scrollHeight; };

  function follow(box) {
    if (stream) stream.close();
    shown = box;
    toEnd(box);
    const root = document.querySelector("a.brand").getAttribute("href"); // the server's own path
    const after = box.dataset.position;
    stream = new EventSource(root + box.dataset.output + (after ? `?after=${encodeURIComponent(after)}` : ""));
    stream.addEventListener("output", (event) => {
      const told = JSON.parse(event.data);
      const follows = atEnd(shown);
      if (told.whole || told.cut) shown.textContent = told.text;
      else shown.append(told.text);
      if (told.cut) document.getElementById("output-cut")?.removeAttribute("hidden");
      if (follows) toEnd(shown);
    });
    stream.addEventListener("end", () => {
      stream.close();
      location.reload(); // its result, its history
    });
  }

  function adopt() {
    const box = document.querySelector("pre[data-output]");
    if (box && box !== shown) {
      // The page was asked for again: what was written since it was first shown stays.
      if (shown && stream && stream.readyState !== 2 && shown.dataset.output === box.dataset.output) {
        const top = shown.scrollTop;
        box.replaceWith(shown);
        shown.scrollTop = top;
      } else follow(box);
    }
  }

  function elapsed() {
    for (const span of document.querySelectorAll("[data-since]")) {
      const seconds = Math.max(0, Math.round((Date.now() - Date.parse(span.dataset.since)) / 1000));
      const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
      span.textContent = h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
    }
  }

  new MutationObserver(adopt).observe(document.body, { childList: true });
  addEventListener("pagehide", () => stream?.close());
  adopt();
  if (document.querySelector("[data-since]")) setInterval(elapsed, 1000);
})();
