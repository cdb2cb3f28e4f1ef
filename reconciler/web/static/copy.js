// Copies the text of an element: <button data-copy="its id" class="needs-script">.
"use strict";
(() => {
  if (!navigator.clipboard) return;
  document.documentElement.classList.add("scripted");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    button.textContent = "Copied";
  });
})();
