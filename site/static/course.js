// Search shows pieces of the pages that it finds, where it may read them: not in pages opened from a file.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// What scrolls inside itself can be scrolled by keyboard.
function reachable() {
  for (const part of document.querySelectorAll(".bd-article pre, .bd-article div.math, .pst-scrollable-table-container"))
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
}

// A field above a table leaves the rows that hold all its words.
function searchable(rows) {
  const field = rows.querySelector(".filter"), count = rows.querySelector("output");
  const all = [...rows.querySelectorAll("tbody tr")].map((row) => [row, row.textContent.toLowerCase()]);
  const labels = [...rows.querySelectorAll("thead th")].map((head) => head.textContent);
  for (const [row] of all) [...row.cells].forEach((cell, number) => (cell.dataset.label = labels[number]));
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const [row, text] of all) row.hidden = !words.every((word) => text.includes(word));
    count.textContent = `${all.filter(([row]) => !row.hidden).length} / ${all.length}`;
  });
}

// Names that the theme leaves out, or gives otherwise than it shows them, for those who hear a page.
function named() {
  for (const fold of document.querySelectorAll(".bd-sidebar-primary li > details > summary"))
    fold.setAttribute("aria-label", fold.closest("li").querySelector("a").textContent.trim());
  for (const button of document.querySelectorAll(".search-button-field")) button.removeAttribute("aria-label");
}

document.addEventListener("DOMContentLoaded", () => {
  named();
  document.querySelectorAll(".rows").forEach(searchable);
  reachable();
  addEventListener("resize", reachable);
  addEventListener("load", reachable);
});
