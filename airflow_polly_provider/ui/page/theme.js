/* Applies Airflow's light or dark theme before the page is painted, and follows changes.
   Airflow's UI sets the class "dark" or "light" on the <html> element, and stores the user's choice as "theme". */
"use strict";

(() => {
  const names = ["light", "dark"];
  const system = matchMedia("(prefers-color-scheme: dark)");

  /* The <html> element of Airflow's UI; null if this page is not inside a frame of the same site. */
  function outerRoot() {
    try {
      return window.parent === window ? null : window.parent.document.documentElement;
    } catch {
      return null;
    }
  }

  function storedTheme() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  }

  const outer = outerRoot();

  function applyTheme() {
    const fromClass = names.find((name) => outer?.classList.contains(name));
    const fromStorage = names.find((name) => name === storedTheme());
    document.documentElement.dataset.theme = fromClass ?? fromStorage ?? (system.matches ? "dark" : "light");
  }

  applyTheme();
  if (outer) new MutationObserver(applyTheme).observe(outer, { attributes: true, attributeFilter: ["class"] });
  window.addEventListener("storage", applyTheme);
  system.addEventListener("change", applyTheme);
})();
