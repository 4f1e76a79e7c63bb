"use strict";
(() => {
  const byId = (id) => document.getElementById(id);

  // The map. Its data is JSON in a block that is never run.
  const data = byId("map-data");
  if (data) {
    Bokeh.embed.embed_item(JSON.parse(data.textContent)).then(
      () => (byId("map").dataset.state = "drawn"),
      (error) => (byId("map").textContent = "The map could not be drawn: " + error),
    );
  }
  const models = (names) =>
    Bokeh.documents.flatMap((doc) => names.map((name) => doc.get_model_by_name(name)).filter(Boolean));
  for (const button of document.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      for (const model of models([button.dataset.layer, button.dataset.layer + "-label"])) model.visible = shown;
    });
  }

  // The queue: filter by text and flag, sort by a column.
  const queue = byId("queue-table");
  if (!queue) return;
  const body = queue.tBodies[0];
  const filter = () => {
    const words = byId("queue-filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const flaggedOnly = byId("queue-flagged").checked;
    let n = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = (flaggedOnly && row.dataset.flagged !== "1") || !words.every((word) => text.includes(word));
      n += row.hidden ? 0 : 1;
    }
    byId("queue-count").textContent = n + " of " + body.rows.length + " families";
  };
  byId("queue-filter").addEventListener("input", filter);
  byId("queue-flagged").addEventListener("change", filter);
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value || Infinity);
  };
  for (const button of queue.querySelectorAll("th button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const other of queue.querySelectorAll("th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      const rows = [...body.rows].sort((a, b) => {
        const [p, q] = [value(a, head.cellIndex), value(b, head.cellIndex)];
        return p < q ? -sign : p > q ? sign : 0;
      });
      body.append(...rows);
    });
  }
})();
