"use strict";
{
  // Browsers show `title` late and never on touch: the same words, at once, beside the token.
  const readout = document.getElementById("readout");
  let current = null;
  const words = new WeakMap();
  for (const token of document.querySelectorAll(".t[title]")) {
    words.set(token, token.title);
    token.removeAttribute("title");
  }
  const hide = () => {
    if (current) current.classList.remove("looked-at");
    current = null;
    readout.hidden = true;
  };
  document.addEventListener("pointerover", (event) => {
    const token = event.target instanceof Element ? event.target.closest(".t") : null;
    if (token === current) return;
    hide();
    if (!token || !words.has(token)) return;
    current = token;
    token.classList.add("looked-at");
    readout.textContent = words.get(token);
    readout.hidden = false;
    const at = token.getClientRects()[0] ?? token.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left), innerWidth - readout.offsetWidth - 8);
    const above = at.top - readout.offsetHeight - 6;
    readout.style.left = `${left}px`;
    readout.style.top = `${above > 4 ? above : at.bottom + 6}px`;
  });
  addEventListener("scroll", hide, { passive: true });
}
