"use strict";
function key(row, column) {
  const cell = row.cells[column];
  return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim();
}
function compare(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
}
function sort(table, heading) {
  const down = heading.classList.contains("number")
    ? heading.getAttribute("aria-sort") !== "descending"
    : heading.getAttribute("aria-sort") === "ascending";
  const column = heading.cellIndex;
  const rows = Array.from(table.tBodies[0].rows);
  rows.sort((a, b) => compare(key(a, column), key(b, column)) * (down ? -1 : 1));
  for (const other of heading.parentElement.cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  table.tBodies[0].append(...rows);
}
for (const table of document.querySelectorAll("table.sortable"))
  for (const button of table.tHead.querySelectorAll("button"))
    button.addEventListener("click", () => sort(table, button.parentElement));

function reveal() {
  const place = document.getElementById(location.hash.slice(1));
  if (place && place.parentElement.matches("details")) place.parentElement.open = true;
}
addEventListener("hashchange", reveal);
reveal();
