// The sheet: draws what Python made, lights what a cell depends on, and tells Python what was edited.

const sheets = new WeakMap(); // root element -> what it shows now, and how to tell of an edit

function light(root, cell) {
  const { inputs, points, titles } = sheets.get(root).data;
  const lit = new Set(inputs[cell] ?? []);
  const near = new Set(points[cell] ?? (cell?.startsWith("x ") ? [Number(cell.slice(2))] : []));
  for (const element of root.querySelectorAll("[data-cell]")) {
    element.toggleAttribute("data-here", element.dataset.cell === cell);
    element.toggleAttribute("data-lit", lit.has(element.dataset.cell));
  }
  const picture = root.querySelector(".sheet-picture");
  picture?.toggleAttribute("data-lit", near.size > 0);
  for (const dot of root.querySelectorAll("[data-point]")) {
    dot.toggleAttribute("data-lit", near.has(Number(dot.dataset.point)));
  }
  for (const head of root.querySelectorAll("[data-row]")) {
    head.toggleAttribute("data-lit", near.has(Number(head.dataset.row)));
  }
  const said = root.querySelector("[data-part=said]");
  if (said) said.textContent = cell ? (titles[cell] ?? "") : "";
}

function listen(root) {
  const cellOf = (target) => target?.closest?.("[data-cell]")?.dataset.cell;
  const focused = () => (root.contains(document.activeElement) ? cellOf(document.activeElement) : undefined);
  root.addEventListener("pointerover", (event) => light(root, cellOf(event.target) ?? focused()));
  root.addEventListener("pointerleave", () => light(root, focused()));
  root.addEventListener("focusin", (event) => light(root, cellOf(event.target)));
  root.addEventListener("focusout", () => light(root, undefined));
  root.addEventListener("change", (event) => {
    const { edit } = event.target.dataset;
    if (edit) sheets.get(root).component.setTriggerValue("edit", { cell: edit, text: event.target.value });
  });
  root.addEventListener("keydown", (event) => {
    const keys = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    const cell = event.target.closest?.("td");
    event.stopPropagation(); // the player's keys are not for who moves in the sheet
    if (!cell || !keys[event.key]) return;
    const [across, down] = keys[event.key];
    if (across && event.target.matches("input")) return; // there the arrows move in the number
    const row = down ? (down > 0 ? cell.parentElement.nextElementSibling : cell.parentElement.previousElementSibling) : cell.parentElement;
    const box = cell.getBoundingClientRect();
    const middle = (box.left + box.right) / 2;
    const candidates = [...(row?.querySelectorAll("[data-cell]") ?? [])];
    const next = down
      ? candidates.find((one) => one.getBoundingClientRect().left <= middle && middle <= one.getBoundingClientRect().right)
      : candidates[candidates.indexOf(cell) + across];
    const to = next?.querySelector("input") ?? next;
    if (!to) return;
    event.preventDefault();
    to.focus();
  });
}

export default function (component) {
  const root = component.parentElement.querySelector(".sheet");
  const known = sheets.get(root);
  const { data } = component;
  sheets.set(root, { component, data });
  if (!known) listen(root);
  if (known?.data.html === data.html) return;
  const body = root.querySelector("[data-part=body]");
  const focused = root.contains(document.activeElement) ? document.activeElement : null;
  const again = focused?.dataset.edit
    ? `[data-edit="${focused.dataset.edit}"]`
    : focused?.dataset.cell && `[data-cell="${focused.dataset.cell}"]`;
  const scrolled = [...body.querySelectorAll(".em-scroll")].map((box) => box.scrollLeft);
  body.innerHTML = data.html; // made by Python, of numbers and escaped names
  body.querySelectorAll(".em-scroll").forEach((box, i) => (box.scrollLeft = scrolled[i] ?? 0));
  if (again) body.querySelector(again)?.focus({ preventScroll: true });
}
