// The player: draws Plotly figures at a position, steps, scrubs and plays them here in the browser, and tells
// Python where it came to rest. It knows figures, traces and positions, and nothing of what they show.
//
// Plotly's own redraw costs 50 to 400 ms, so a step patches the SVG nodes that Plotly made (fills, paths,
// transforms). What a patch cannot do, or finds unfamiliar, Plotly.react does. When it is idle, or before a hover,
// zoom or export needs them, react also brings Plotly's own arrays up to date ("settles").

const REPORT_AFTER = 150; // ms of rest before Python hears of a new position
const DOUBLE_CLICK = 320; // ms: Plotly takes two clicks within 300 for one double click
const SETTLE_AFTER = 700; // ms of rest before Plotly's own arrays follow
const players = new WeakMap(); // root element -> Player
const places = new Map(); // opening -> place, so that a re-mounted player finds its way back
let plotsMade = 0; // a number for each plot of the page

// ---------------------------------------------------------------- what Python sent

/** Split the bytes from Python: a small head (who and where) and the compressed content (what to draw). */
function readHead(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return [head, bytes.subarray(4 + length)];
}

async function readContent(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const [content, blob] = readHead(bytes);
  for (const figure of content.figures) for (const track of figure.tracks) unpack(track, blob);
  return content;
}

const TYPES = { u1: Uint8Array, i4: Int32Array, f4: Float32Array, f8: Float64Array };

/** Frames from bytes: planes [byte of an item][frame][item], each frame the difference to the one before. */
function unpack(track, blob) {
  if (track.texts) {
    track.frame = (index) => track.texts[index];
    return;
  }
  const { n_frames, n_items, item_size, start, type } = track;
  const out = new Uint8Array(n_frames * n_items * item_size);
  let from = start;
  for (let plane = 0; plane < item_size; plane++)
    for (let frame = 0; frame < n_frames; frame++)
      for (let item = 0; item < n_items; item++) {
        const to = (frame * n_items + item) * item_size + plane;
        out[to] = blob[from++] + (frame ? out[to - n_items * item_size] : 0); // bytes wrap around
      }
  const values = new TYPES[type](out.buffer);
  const size = values.length / n_frames;
  track.frame = (index) => values.subarray(index * size, (index + 1) * size);
}

/** Plotly's JSON with typed arrays made real and var(--...) colours resolved against the theme. */
function resolve(value, css) {
  if (typeof value === "string") return value.startsWith("var(--") ? css(value.slice(4, -1)) : value;
  if (Array.isArray(value)) return value.map((item) => resolve(item, css));
  if (value === null || typeof value !== "object") return value;
  if (typeof value.bdata === "string" && !value.shape) {
    const types = { i1: Int8Array, i2: Int16Array, u2: Uint16Array, u4: Uint32Array, ...TYPES };
    return new types[value.dtype](Uint8Array.from(atob(value.bdata), (c) => c.charCodeAt(0)).buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, css)]));
}

// ---------------------------------------------------------------- Plotly

let loading = null;

/** Streamlit's own plotly.js: importing its chunk sets window.Plotly. `stuck` asks Python to show a chart instead. */
function loadPlotly(chunk, stuck) {
  loading ??= (async () => {
    const script = document.querySelector('script[src*="static/js/"]'); // knows the app's base path
    const base = new URL(".", script ? script.src : new URL("static/js/x", document.baseURI));
    if (!window.Plotly && chunk) await import(new URL(chunk, base).href).catch(() => null);
    if (!window.Plotly) stuck();
    for (let tries = 0; !window.Plotly && tries < 200; tries++) await new Promise((go) => setTimeout(go, 100));
    if (!window.Plotly) throw new Error("plotly.js could not be loaded");
    return window.Plotly;
  })();
  return loading;
}

const MARKS = ["marker.color", "marker.symbol", "marker.size"];
const ODD_SYMBOL = /open|dot|thin|asterisk|hash|line|arrow/; // drawn by their outline: a fill does not recolour them
const isList = (value) => Array.isArray(value) || ArrayBuffer.isView(value);
const rgb = (bytes, point) => `rgb(${bytes[3 * point]}, ${bytes[3 * point + 1]}, ${bytes[3 * point + 2]})`;

const canvas = document.createElement("canvas");

/** Pixels, row by row, as an address that an image can be loaded from. */
function imageOf(pixels, columns) {
  canvas.width = columns;
  canvas.height = pixels.length / 3 / columns;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(canvas.width, canvas.height);
  for (let from = 0, to = 0; from < pixels.length; to++) {
    for (let channel = 0; channel < 3; channel++) image.data[to++] = pixels[from++];
    image.data[to] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

/** One figure on the page. */
class Plot {
  constructor(Plotly, div, player) {
    this.number = plotsMade++;
    Object.assign(this, { Plotly, div, player, drawn: new Map(), settled: new Map(), values: new Map() });
    this.observer = new ResizeObserver(() => {
      if (this.layout && (div.clientWidth !== this.layout.width || div.clientHeight !== this.layout.height)) player.redraw();
    });
    this.observer.observe(div);
    this.listen();
  }

  /** Show another figure, or the same one in another theme. Returns nothing: the next draw does the work. */
  show(figure, css, revision) {
    clearTimeout(this.spotting);
    this.figure = figure;
    this.div.toggleAttribute("data-spots", figure.spots);
    this.div.toggleAttribute(
      "data-image",
      figure.tracks.some((track) => track.attribute === "z"),
    );
    this.div.toggleAttribute(
      "data-only-image",
      figure.figure.data.every((trace) => trace.type === "image"),
    );
    const own = (index) => `p${this.number}t${index}`; // Plotly names clips by it: no other on the page may have it
    this.base = resolve(figure.figure.data, css).map((trace, index) => ({ uid: own(index), ...trace }));
    const layout = resolve(figure.figure.layout, css);
    const line = css("--st-border-color-light") || css("--st-border-color");
    const under = (theme, own) => ({ ...theme, ...own }); // the figure's own wishes win over the theme
    layout.font = under({ color: css("--st-text-color"), family: css("--st-font"), size: 13 }, layout.font);
    for (const name of new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((k) => /^[xy]axis\d*$/.test(k))]))
      layout[name] = under({ gridcolor: line, zerolinecolor: line, linecolor: css("--st-border-color") }, layout[name]);
    const paper = { bgcolor: css("--st-background-color"), bordercolor: css("--st-border-color") };
    layout.hoverlabel = under({ ...paper, font: { color: css("--st-text-color") } }, layout.hoverlabel);
    const bar = { bgcolor: "rgba(0,0,0,0)", color: css("--st-border-color"), activecolor: css("--st-text-color") };
    layout.modebar = under(bar, layout.modebar);
    const clear = "rgba(0,0,0,0)";
    const fixed = { paper_bgcolor: clear, plot_bgcolor: clear, uirevision: revision };
    this.layout = under(fixed, layout);
    this.coarse = matchMedia("(pointer: coarse)").matches; // fingers scroll the page, they do not zoom the plot
    if (this.coarse) this.layout.dragmode = false;
    this.values.clear();
    this.known = null;
    this.fresh = true;
  }

  /** Draw a position: patches where possible, else one react. */
  draw(position) {
    this.position = position;
    const { clientWidth: width, clientHeight: height } = this.div;
    if (!width) return; // in a hidden tab: drawn when it shows
    if (this.fresh || width !== this.layout.width || height !== this.layout.height) {
      Object.assign(this.layout, { width, height });
      return this.react();
    }
    const changed = new Map();
    for (const track of this.figure.tracks)
      if (this.drawn.get(track) !== track.lookup[position])
        changed.set(track.trace, [...(changed.get(track.trace) ?? []), track]);
    if (!changed.size) return;
    this.dropDrag();
    for (const [trace, tracks] of changed) {
      if (!this.patch(trace, new Set(tracks.map((track) => track.attribute)))) return this.react();
      for (const track of tracks) this.drawn.set(track, track.lookup[position]);
    }
    this.dirty = true;
  }

  /** The figure's traces at the position, as Plotly wants them. Unchanged arrays keep their identity. */
  data() {
    const traces = this.base.map((trace) => (trace.marker ? { ...trace, marker: { ...trace.marker } } : { ...trace }));
    for (const track of this.figure.tracks) {
      if (track.attribute === "shown") continue;
      const index = track.lookup[this.position];
      let held = this.values.get(track);
      if (held?.index !== index) {
        const frame = track.frame(index);
        let value = frame;
        if (track.attribute === "marker.color")
          value = Array.from({ length: frame.length / 3 }, (_, point) => rgb(frame, point));
        if (track.attribute === "marker.symbol") value = Array.from(frame, (symbol) => track.symbols[symbol]);
        if (track.attribute === "z") value = imageOf(frame, track.n_columns);
        held = { index, value };
        this.values.set(track, held);
      }
      const trace = traces[track.trace];
      if (track.attribute === "z") {
        trace.source = held.value;
        delete trace.z;
      } else if (track.attribute.startsWith("marker.")) (trace.marker ??= {})[track.attribute.slice(7)] = held.value;
      else trace[track.attribute] = held.value;
    }
    for (const track of this.figure.tracks)
      if (track.attribute === "shown") {
        const trace = traces[track.trace];
        const count = track.frame(track.lookup[this.position])[0];
        for (const axis of ["x", "y"]) trace[axis] = trace[axis].slice(0, count);
      }
    return traces;
  }

  /** Let Plotly draw everything itself, which also brings hover, zoom, legend and export up to date. */
  react() {
    for (const track of this.figure.tracks) this.settled.set(track, track.lookup[this.position]);
    this.fresh = this.dirty = false;
    const config = {
      displaylogo: false,
      displayModeBar: this.coarse ? false : "hover",
      doubleClick: "reset",
      modeBarButtons: [["zoom2d", "pan2d", "resetScale2d"]], // only these: Plotly's own choice includes uploading
    };
    const drawn = this.Plotly.react(this.div, this.data(), this.layout, config);
    // Plotly loads an image later, and another one may have been patched in by then.
    if (this.div.hasAttribute("data-image")) drawn.then(() => this.replotted());
    if (!this.heard) this.div.on("plotly_afterplot", () => this.replotted());
    this.heard = true;
    this.replotted();
  }

  /** Plotly has drawn: what stands on the page is what was last settled. */
  replotted() {
    this.nodes = new Map();
    this.drawn = new Map(this.settled);
    if (this.dirty) this.player.redraw();
  }

  settle() {
    if (this.dirty && !this.drag) this.react();
  }

  // ------------------------------------------------------------ patches

  axes(full) {
    const layout = this.div._fullLayout;
    return [layout[`xaxis${(full.xaxis ?? "x").slice(1)}`], layout[`yaxis${(full.yaxis ?? "y").slice(1)}`]];
  }

  track(trace, attribute) {
    return this.figure.tracks.find((one) => one.trace === trace && one.attribute === attribute);
  }

  /** A track's frame now, or else the base figure's own value. */
  value(trace, attribute) {
    const track = this.track(trace, attribute);
    if (track) return track.frame(track.lookup[this.position]);
    const [group, name] = attribute.split(".");
    return name ? this.base[trace][group]?.[name] : this.base[trace][group];
  }

  /** The points of a trace on the plot, in pixels from its plotting area's corner, as far as they are shown. */
  pixels(trace) {
    const [x, y] = [this.value(trace, "x"), this.value(trace, "y")];
    const [across, down] = this.axes(this.div._fullData[trace]);
    const points = [];
    const shown = this.value(trace, "shown")?.[0] ?? y.length;
    for (let point = 0; point < shown; point++) {
      const known = Number.isFinite(x[point]) && Number.isFinite(y[point]);
      points.push(known ? [across.d2p(x[point]), down.d2p(y[point])] : null);
    }
    return points;
  }

  /** Bring the nodes of one trace to the position. False: this needs Plotly. */
  patch(trace, attributes) {
    const full = this.div._fullData?.[trace];
    if (!full) return false;
    if (full.visible !== true) return true; // switched off in the legend: settling keeps its data
    if (full.type === "image") return this.patchImage(trace);
    if (full.type !== "scatter" || full.error_x?.visible || full.error_y?.visible || full.stackgroup) return false;
    let nodes = this.nodes.get(trace);
    if (!nodes) {
      const group = this.div.querySelector(`.scatterlayer .trace${full.uid}`);
      if (!group) return false;
      const marks = (selector) =>
        new Map(Array.from(group.querySelectorAll(selector), (node) => [node.__data__?.i, node]));
      nodes = {
        group: group.querySelector(":scope > .points"),
        lines: group.querySelectorAll(":scope > .lines > path.js-line"),
        fill: group.querySelector(":scope > .fills path.js-fill"),
        points: marks(":scope > .points > path.point"),
        texts: marks(":scope > .text > .textpoint"),
      };
      nodes.model = nodes.points.values().next().value;
      this.nodes.set(trace, nodes);
    }
    const moved = ["x", "y", "shown"].some((attribute) => attributes.has(attribute));
    const points = moved ? this.pixels(trace) : null;
    const mode = full.mode;
    if (moved && (mode.includes("lines") || full.fill !== "none") && !this.patchLine(full, nodes, points)) return false;
    if (mode.includes("markers") && !this.patchPoints(trace, full, nodes, points, attributes)) return false;
    return !mode.includes("text") || this.patchTexts(trace, nodes, points, attributes);
  }

  patchImage(trace) {
    const images = this.div._fullData.filter((full) => full.type === "image" && full.visible === true);
    const nodes = this.div.querySelectorAll(".imagelayer .im > image");
    const node = nodes[images.findIndex((full) => full.index === trace)];
    const track = this.track(trace, "z");
    if (!node || !track || nodes.length !== images.length) return false;
    node.href.baseVal = imageOf(this.value(trace, "z"), track.n_columns);
    return true;
  }

  patchLine(full, nodes, points) {
    if (full.line.shape !== "linear" || full.line.backoff > 0 || full.marker?.angleref === "previous") return false;
    if (!["none", "toself", "tozeroy"].includes(full.fill)) return false;
    const runs = [[]];
    for (const point of points)
      if (point) runs.at(-1).push(point.map((pixel) => Math.max(-1e5, Math.min(1e5, pixel)).toFixed(2)));
      else if (runs.at(-1).length && !full.connectgaps) runs.push([]);
    const drawn = runs.filter((run) => run.length);
    const path = drawn.map((run) => `M${run.join("L")}`);
    if (full.mode.includes("lines")) {
      if (path.length && !nodes.lines.length) return false;
      nodes.lines.forEach((node, index) => node.setAttribute("d", index || !path.length ? "M0,0" : path.join("")));
    }
    if (full.fill === "none") return true;
    if (!nodes.fill) return false;
    let fill = path.length ? path.map((run) => `${run}Z`).join("") : "M0,0Z";
    if (full.fill === "tozeroy" && path.length) {
      const zero = this.axes(full)[1].d2p(0);
      const all = drawn.flat();
      fill = `M${all.at(-1)[0]},${zero}L${all[0][0]},${zero}L${all.join("L")}`;
    }
    nodes.fill.setAttribute("d", fill);
    return true;
  }

  patchPoints(trace, full, nodes, points, attributes) {
    if (full.marker.maxdisplayed || full.ids) return false;
    if (points) {
      for (const [point, node] of nodes.points)
        if (!points[point]) {
          node.remove();
          nodes.points.delete(point);
        }
      for (const [point, at] of points.entries()) {
        if (!at) continue;
        let node = nodes.points.get(point);
        if (!node) {
          // A point that Plotly has not drawn: a copy of another, if all look alike or tracks tell how they differ.
          const own = ["color", "symbol", "size", "opacity"].filter((name) => isList(this.base[trace].marker?.[name]));
          if (!nodes.model || own.some((name) => !this.track(trace, `marker.${name}`))) return false;
          node = nodes.model.cloneNode();
          nodes.group.append(node);
          nodes.points.set(point, node);
          attributes = new Set([...attributes, ...MARKS.filter((mark) => this.track(trace, mark))]);
        }
        node.setAttribute("transform", `translate(${at[0].toFixed(2)},${at[1].toFixed(2)})`);
      }
    }
    if (attributes.has("marker.color")) {
      if (!this.recolourable(trace)) return false;
      const now = this.value(trace, "marker.color");
      const track = this.track(trace, "marker.color");
      const before = !points && this.drawn.has(track) ? track.frame(this.drawn.get(track)) : null;
      for (const [point, node] of nodes.points) {
        const at = 3 * point;
        if (before && now[at] === before[at] && now[at + 1] === before[at + 1] && now[at + 2] === before[at + 2]) continue;
        node.style.fill = rgb(now, point);
      }
    }
    if (attributes.has("marker.symbol") || attributes.has("marker.size")) {
      const shapes = this.shapes(trace, full);
      if (!shapes) return false;
      for (const [point, node] of nodes.points) node.setAttribute("d", shapes.get(this.shape(trace, point)));
    }
    return true;
  }

  patchTexts(trace, nodes, points, attributes) {
    const texts = attributes.has("text") ? this.value(trace, "text") : null;
    const count = points ? points.filter(Boolean).length : nodes.texts.size;
    if (count !== nodes.texts.size) return false;
    for (const [point, node] of nodes.texts) {
      const label = node.querySelector("text");
      if (!label || label.childElementCount || (texts && /[<&$]/.test(texts[point]))) return false;
      if (texts) label.textContent = texts[point];
      if (!points) continue;
      if (!points[point]) return false;
      // Plotly places a label by x and y, and by a transform of its own for its offset: only the first two move.
      label.setAttribute("x", points[point][0]);
      label.setAttribute("y", points[point][1]);
    }
    return true;
  }

  /** The names of the symbols that a trace may show. */
  symbols(trace) {
    return this.track(trace, "marker.symbol")?.symbols ?? [this.base[trace].marker?.symbol ?? "circle"].flat();
  }

  recolourable(trace) {
    return this.symbols(trace).every((symbol) => typeof symbol === "string" && !ODD_SYMBOL.test(symbol));
  }

  /** What decides a point's path: its symbol's name and its size. */
  shape(trace, point) {
    const [symbol, size] = [this.value(trace, "marker.symbol"), this.value(trace, "marker.size")];
    const one = isList(symbol) ? symbol[point] : (symbol ?? "circle");
    const name = this.track(trace, "marker.symbol")?.symbols[one] ?? one;
    return `${name}|${(isList(size) ? size[point] : size) ?? this.div._fullData[trace].marker.size}`;
  }

  /** The path of every symbol in every size that the trace may show, as Plotly draws them on a scrap figure. */
  shapes(trace, full) {
    this.known ??= new Map();
    if (this.known.has(trace)) return this.known.get(trace);
    this.known.set(trace, null);
    const marker = full.marker;
    if ((marker.sizeref ?? 1) !== 1 || marker.sizemode === "area" || marker.angle || marker.standoff) return null;
    if (!this.recolourable(trace)) return null;
    const sizes = new Set();
    const track = this.track(trace, "marker.size");
    if (track) for (const index of new Set(track.lookup)) for (const size of track.frame(index)) sizes.add(size);
    else for (const size of [this.base[trace].marker?.size ?? marker.size].flat()) sizes.add(size);
    const pairs = [...new Set(this.symbols(trace))].flatMap((symbol) => [...sizes].map((size) => [symbol, size]));
    if (pairs.length > 400) return null;
    const scrap = document.createElement("div");
    scrap.className = "player-scrap";
    this.div.after(scrap);
    const x = pairs.map((_, index) => index);
    const look = { symbol: pairs.map(([symbol]) => symbol), size: pairs.map(([, size]) => size) };
    const scatter = { type: "scatter", mode: "markers", x, y: x, marker: look };
    const made = this.Plotly.newPlot(scrap, [scatter], { width: 300, height: 300 }, { staticPlot: true });
    const paths = Array.from(scrap.querySelectorAll("path.point"), (node) => node.getAttribute("d"));
    made.finally(() => {
      this.Plotly.purge(scrap); // not before Plotly is done with it
      scrap.remove();
    });
    if (paths.length !== pairs.length) return null;
    const shapes = new Map(pairs.map((pair, index) => [pair.join("|"), paths[index]]));
    this.known.set(trace, shapes);
    return shapes;
  }

  // ------------------------------------------------------------ pointer

  /** The nearest shown point of the given traces within reach (pixels) of a place on the page, or null. */
  hit(event, traces, reach) {
    if (!this.div._fullData || event.target.closest?.(".legend, .modebar")) return null;
    let best = null;
    for (const trace of traces) {
      const full = this.div._fullData[trace];
      if (full?.visible !== true) continue;
      const [px, py] = this.pointer(event, full);
      const points = this.pixels(trace);
      const near = (point, distance) => {
        if (distance <= reach && !(best?.distance <= distance)) best = { trace, point, distance };
      };
      const lined = full.mode?.includes("lines");
      for (let point = 0; point < points.length; point++) {
        if (!points[point]) continue;
        const [x, y] = points[point];
        near(point, Math.hypot(px - x, py - y));
        const next = lined && points[point + 1];
        if (!next) continue;
        // Also the line between two points, which counts for the nearer of them.
        const [dx, dy] = [next[0] - x, next[1] - y];
        const along = Math.max(0, Math.min(1, ((px - x) * dx + (py - y) * dy) / (dx * dx + dy * dy || 1)));
        near(along < 0.5 ? point : point + 1, Math.hypot(px - x - along * dx, py - y - along * dy));
      }
    }
    return best;
  }

  /** Where the pointer is, in pixels from the corner of a trace's plotting area. */
  pointer(event, full) {
    const box = this.div.getBoundingClientRect();
    const [across, down] = this.axes(full);
    return [event.clientX - box.left - across._offset, event.clientY - box.top - down._offset];
  }

  draggable() {
    const traces = Object.keys(this.figure?.drags ?? {}).map(Number);
    return traces.filter((trace) => this.figure.drags[trace][this.position]);
  }

  listen() {
    const { div } = this;
    const reach = (event) => (event.pointerType === "touch" ? 28 : 16);
    const on = (type, handler, options) => div.addEventListener(type, handler, { capture: true, ...options });
    on("pointerdown", (event) => {
      if (!event.isPrimary) this.pressed = null; // two fingers press nothing
      if (!this.figure || event.button || !event.isPrimary) return;
      this.settle();
      const grabbed = this.hit(event, this.draggable(), reach(event));
      if (grabbed) this.grab(event, grabbed);
      else this.pressed = { x: event.clientX, y: event.clientY, target: event.target };
    });
    // Plotly listens to mouse and touch: neither may zoom, nor the finger scroll, while a point is dragged.
    for (const type of ["mousedown", "touchstart", "touchmove"])
      on(
        type,
        (event) => {
          if (!this.drag) return;
          event.stopPropagation();
          event.preventDefault();
        },
        { passive: false },
      );
    on("pointermove", (event) => {
      if (this.drag) return this.dragTo(event);
      if (!this.figure || event.buttons) return;
      if (!this.player.playing) this.settle();
      const jumps = Object.keys(this.figure.jumps).map(Number);
      const grab = this.hit(event, this.draggable(), reach(event));
      const press = !grab && this.hit(event, [...jumps, ...this.figure.clicks], reach(event));
      div.dataset.cursor = grab ? "grab" : press ? "pointer" : "";
    });
    // A press may end on the cover that Plotly lays over the page: listen on the window.
    this.released = (event) => {
      if (this.drag) return this.drop(event);
      const pressed = this.pressed;
      this.pressed = null;
      if (!pressed || Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > 6) return;
      this.click({ clientX: event.clientX, clientY: event.clientY, target: pressed.target }, reach(event));
    };
    this.cancelled = () => {
      this.pressed = null;
      this.dropDrag();
    };
    this.keyed = (event) => {
      if (event.key === "Escape" && this.drag) this.dropDrag();
    };
    window.addEventListener("pointerup", this.released, true);
    window.addEventListener("pointercancel", this.cancelled, true);
    window.addEventListener("keydown", this.keyed, true);
  }

  click(event, reach) {
    const clicked = this.hit(event, this.figure.clicks, reach);
    const jumps = Object.keys(this.figure.jumps).map(Number);
    const jumped = this.hit(event, jumps, reach);
    const index = this.player.plots.indexOf(this);
    if (jumped && !(clicked?.distance < jumped.distance))
      this.player.jump(this.figure.jumps[jumped.trace][jumped.point]);
    else if (clicked) this.player.tell("click", { figure: index, trace: clicked.trace, point: clicked.point });
    else if (this.figure.spots) this.spot(event, index);
  }

  /** A click on no point. Of a double click only the first counts, and none where it undoes a zoom. */
  spot(event, figure) {
    if (!this.div._fullLayout || event.target.closest?.(".legend, .modebar")) return;
    const [across, down] = this.axes({});
    const [px, py] = this.pointer(event, {});
    if (px < 0 || py < 0 || px > across._length || py > down._length) return;
    const { last } = this;
    this.last = { px, py, time: performance.now() };
    if (last && this.last.time - last.time < DOUBLE_CLICK && Math.hypot(px - last.px, py - last.py) < 6)
      return clearTimeout(this.spotting);
    const spot = { figure, x: across.p2d(px), y: down.p2d(py) };
    if (this.zoomed()) this.spotting = setTimeout(() => this.player.tell("spot", spot), DOUBLE_CLICK);
    else this.player.tell("spot", spot);
  }

  zoomed() {
    const { layout } = this.figure.figure;
    const moved = (name) => layout[name]?.range?.some((end, index) => end !== this.layout[name].range[index]);
    return moved("xaxis") || moved("yaxis");
  }

  grab(event, { trace, point }) {
    const node = this.patch(trace, new Set()) && this.nodes.get(trace).points.get(point);
    if (!node) return;
    this.player.pause();
    this.drag = { trace, point, node, home: node.getAttribute("transform"), at: null };
    this.div.setPointerCapture(event.pointerId);
    this.div.dataset.cursor = "grabbing";
  }

  dragTo(event) {
    const { drag } = this;
    const full = this.div._fullData[drag.trace];
    const [across, down] = this.axes(full);
    let [x, y] = this.pointer(event, full);
    x = Math.max(0, Math.min(across._length, x));
    y = Math.max(0, Math.min(down._length, y));
    if (this.figure.drag_axes === "x") y = this.pixels(drag.trace)[drag.point][1];
    drag.at = [across.p2d(x), down.p2d(y)];
    drag.node.setAttribute("transform", `translate(${x},${y})`);
  }

  /** Released: Python hears of it once. The point stays where it is until something is drawn. */
  drop() {
    const { trace, point, at } = this.drag;
    this.div.dataset.cursor = "";
    if (!at) return this.dropDrag();
    this.left = this.drag;
    this.drag = null;
    const [x, y] = at;
    this.player.tell("drag", { figure: this.player.plots.indexOf(this), trace, point, x, y });
  }

  /** Put a dragged point back: the drag was cancelled, or another position is drawn. */
  dropDrag() {
    for (const drag of [this.drag, this.left]) drag?.node.setAttribute("transform", drag.home);
    this.drag = this.left = null;
    this.div.dataset.cursor = "";
  }

  destroy() {
    clearTimeout(this.spotting);
    this.observer.disconnect();
    window.removeEventListener("pointerup", this.released, true);
    window.removeEventListener("pointercancel", this.cancelled, true);
    window.removeEventListener("keydown", this.keyed, true);
    if (this.heard) this.Plotly.purge(this.div);
    this.div.remove();
  }
}

// ---------------------------------------------------------------- the player

class Player {
  constructor(root) {
    this.root = root;
    this.plots = [];
    this.calls = 0;
    const part = (name) => root.querySelector(`[data-part="${name}"]`);
    const parts = ["slider", "first", "previous", "play", "next", "last", "speed", "half", "switch", "text"];
    for (const name of [...parts, "step", "caption", "figures", "message"]) this[name] = part(name);
    this.slider.addEventListener("input", () => this.move(Number(this.slider.value)));
    this.first.addEventListener("click", () => this.move(0));
    this.previous.addEventListener("click", () => this.move(this.index - 1));
    this.next.addEventListener("click", () => this.move(this.index + 1));
    this.last.addEventListener("click", () => this.move(this.top));
    this.play.addEventListener("click", () => (this.playing ? this.pause() : this.start()));
    this.half.addEventListener("change", () => this.setHalf(this.half.checked));
    this.painted = new MessageChannel(); // a message posted in a frame arrives after its paint
    this.painted.port1.onmessage = () => this.afterPaint();
    this.keyed = (event) => this.key(event);
    document.addEventListener("keydown", this.keyed);
  }

  /** Called by Streamlit after every change of data or theme. */
  async update(component, head, packed) {
    this.component = component;
    const opening = `${head.key} ${head.run} ${head.opening}`;
    const wanted = `${opening} ${head.digest}`;
    if (wanted === this.wanted) return this.content && this.dress(false);
    if (opening !== this.loaded) {
      clearTimeout(this.reporting); // a report still waiting belongs to the run before
      this.pause(false);
    }
    this.wanted = wanted;
    const stuck = () => component.setStateValue("stuck", true);
    try {
      const [content, Plotly] = await Promise.all([readContent(packed), loadPlotly(head.chunk, stuck)]);
      if (this.wanted === wanted && this.calls) this.load(content, Plotly, head, opening);
    } catch (error) {
      this.message.textContent = `The figures could not be drawn (${error.message}). Please reload the page.`;
      throw error;
    }
  }

  /** New content. The same run keeps its place, another one opens where Python says. */
  load(content, Plotly, head, opening) {
    Object.assign(this, { content, head, count: content.captions.length });
    if (this.loaded !== opening) {
      this.loaded = opening;
      this.place = places.get(opening) ?? { position: head.position, half: head.half };
      this.reported = JSON.stringify({ position: head.position, half: head.half });
      delete this.root.dataset.ready;
    }
    this.place.position = Math.min(this.place.position, this.count - 1);
    this.iterations = []; // of each position, the stop that first covers it
    for (let position = 0, stop = 0; position < this.count; position++) {
      while (stop < content.stops.length - 1 && content.stops[stop] < position) stop++;
      this.iterations.push(content.stops.length ? stop : position);
    }
    this.switch.hidden = !content.stops.length;
    const columns = content.widths.map((width) => `minmax(0, ${width}fr)`).join(" ");
    this.figures.style.setProperty("--columns", columns);
    while (this.plots.length > content.figures.length) this.plots.pop().destroy();
    while (this.plots.length < content.figures.length) {
      const div = document.createElement("div");
      div.className = "player-plot";
      this.figures.append(div);
      this.plots.push(new Plot(Plotly, div, this));
    }
    this.plots.forEach((plot, index) => {
      const figure = content.figures[index];
      plot.div.style.setProperty("--height", `${figure.height}px`);
      plot.div.setAttribute("role", "img");
      plot.div.setAttribute("aria-label", figure.description || `Figure ${index + 1}`);
    });
    const captions = [...content.captions, ...content.stop_captions];
    const longest = captions.reduce((one, other) => (other.length > one.length ? other : one), "");
    this.caption.dataset.longest = longest; // reserves its height, so that stepping never shifts the page
    this.dress(true);
    this.shown();
    this.root.dataset.run = head.run;
    this.address();
  }

  /** Give the plots the theme's colours and fonts, if these or the content are new. */
  dress(content) {
    const style = getComputedStyle(this.root);
    const css = (name) => style.getPropertyValue(name).trim();
    const names = ["text-color", "background-color", "border-color", "border-color-light", "primary-color", "font"];
    const look = names.map((name) => css(`--st-${name}`)).join("|");
    if (look === this.look && !content) return;
    this.look = look;
    this.plots.forEach((plot, index) => plot.show(this.content.figures[index], css, this.loaded));
    this.redraw();
  }

  // ------------------------------------------------------------ places

  /** The slider's value and its greatest one: positions with half-steps, else stops. */
  get index() {
    return this.place.half ? this.place.position : this.iterations[this.place.position];
  }

  get top() {
    return (this.place.half || !this.content.stops.length ? this.count : this.content.stops.length) - 1;
  }

  positionOf(index) {
    return this.place.half || !this.content.stops.length ? index : this.content.stops[index];
  }

  move(index, byHand = true) {
    if (!this.content) return;
    if (byHand && this.playing) this.pause(false);
    this.goTo(this.positionOf(Math.max(0, Math.min(this.top, index))));
  }

  /** To a position that a click names; with whole iterations, to the iteration that covers it. */
  jump(position) {
    this.pause(false);
    const stops = this.content.stops;
    this.goTo(this.place.half || !stops.length ? position : stops[this.iterations[position]]);
  }

  setHalf(half) {
    if (!this.content) return;
    this.pause(false);
    this.place.half = half && this.content.stops.length > 0;
    this.jump(this.place.position);
  }

  goTo(position) {
    this.place.position = position;
    this.shown();
    this.redraw();
    this.plan();
  }

  // ------------------------------------------------------------ playing

  start() {
    if (!this.content || !this.top) return;
    if (this.index >= this.top) this.move(0);
    this.playing = true;
    this.root.dataset.playing = "";
    clearTimeout(this.reporting);
    let due = performance.now() + 1000 / Number(this.speed.value);
    const tick = (now) => {
      if (!this.playing) return;
      const pace = 1000 / Number(this.speed.value);
      due = Math.min(due, now + pace); // a faster speed takes hold at once
      if (now >= due) {
        this.move(this.index + 1, false);
        due = Math.max(due + pace, now);
      }
      if (this.index >= this.top) this.pause();
      else this.ticking = requestAnimationFrame(tick);
    };
    this.ticking = requestAnimationFrame(tick);
    this.shown();
  }

  pause(report = true) {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.ticking);
    delete this.root.dataset.playing;
    this.shown();
    if (report) this.plan();
  }

  // ------------------------------------------------------------ telling Python

  /** Something moved: report and settle after a rest. */
  plan() {
    clearTimeout(this.reporting);
    clearTimeout(this.settling);
    places.set(this.loaded, { ...this.place });
    if (this.playing) return;
    this.reporting = setTimeout(() => this.report(), REPORT_AFTER);
    this.settling = setTimeout(() => {
      for (const plot of this.plots) plot.settle();
      this.redraw();
    }, SETTLE_AFTER);
  }

  report() {
    clearTimeout(this.reporting);
    this.address();
    const place = JSON.stringify(this.place);
    if (place === this.reported) return;
    this.reported = place;
    const { run, opening } = this.head;
    this.component.setStateValue("place", { run, opening, ...this.place });
  }

  /** The place also goes into the page's address, so that the link shows it: without an entry in the history, or
   * going back would go through every step. The place where a run opens by itself needs no words. */
  address() {
    const { url, half, position } = { ...this.head, ...this.place };
    if (!url.length) return;
    const address = new URL(window.location.href);
    const say = (name, value) =>
      value === null ? address.searchParams.delete(name) : address.searchParams.set(name, value);
    say(url[0], position > (half ? 0 : this.positionOf(0)) ? position : null);
    say(url[1], half ? 1 : null);
    if (address.href !== window.location.href) window.history.replaceState(window.history.state, "", address);
  }

  /** A click or a drag: told at once, together with the place where it happened. */
  tell(event, value) {
    this.pause();
    this.report();
    const { run, opening } = this.head;
    this.component.setTriggerValue(event, { run, opening, ...this.place, ...value });
  }

  // ------------------------------------------------------------ drawing

  /** Ask for one draw in the next animation frame, however many steps come before it. */
  redraw() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      if (!this.content) return;
      this.drawn = this.place.position;
      for (const plot of this.plots) plot.draw(this.drawn);
      this.painted.port2.postMessage(null);
    });
  }

  /** What was drawn is on the screen now: say so, to whoever watches. */
  afterPaint() {
    const { dataset } = this.root;
    dataset.position = this.drawn;
    dataset.settled = this.plots.some((plot) => plot.dirty) ? "" : this.drawn;
    if (this.plots.every((plot) => !plot.fresh)) dataset.ready = "";
  }

  /** The controls, texts and names of the place. */
  shown() {
    const { content, place, index, top } = this;
    const iteration = this.iterations[place.position];
    const last = this.iterations[this.count - 1];
    const name = content.step_names[place.position];
    this.slider.max = top;
    this.slider.value = index;
    this.slider.style.setProperty("--fill", top ? index / top : 0);
    this.slider.setAttribute("aria-valuetext", content.labels[place.position]);
    this.text.textContent = `Iteration ${iteration} of ${last}`;
    this.step.textContent = place.half && name ? name : "";
    this.half.checked = place.half;
    this.root.toggleAttribute("data-half", place.half);
    const off = (button, is) => button.setAttribute("aria-disabled", is); // keeps its focus, unlike "disabled"
    for (const button of [this.first, this.previous]) off(button, index <= 0);
    for (const button of [this.next, this.last]) off(button, index >= top);
    off(this.play, !top);
    const coming = (place.half && content.step_names[place.position + 1]) || "";
    this.next.setAttribute("aria-label", coming ? `Next: ${coming}` : "Next");
    this.next.title = this.next.getAttribute("aria-label");
    this.next.querySelector("span").textContent = coming;
    this.play.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.play.title = this.playing ? "Pause" : "Play";
    this.caption.setAttribute("aria-live", this.playing ? "off" : "polite");
    const whole = !place.half && content.stop_captions.length > 0;
    const caption = whole ? content.stop_captions[iteration] : content.captions[place.position];
    if (this.caption.firstChild.data !== caption) this.caption.firstChild.data = caption;
  }

  /** Keys work inside the player, and on the page when nothing else has the focus. */
  key(event) {
    if (!this.content || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const { target } = event;
    if (!this.root.contains(target)) {
      // On the page itself, or on a button, which has no use for arrows; any other control keeps its keys.
      const button = target.matches?.("button:not([role])") && !target.closest(".player") && event.key !== " ";
      if (!target.contains?.(this.root) && !button) return;
      if (Array.from(document.querySelectorAll(".player")).find(inView) !== this.root) return; // the first in sight
    }
    if (target.matches?.("select") || (event.key === " " && target.matches?.("button, input[type=checkbox]"))) return;
    const to = { ArrowLeft: this.index - 1, ArrowRight: this.index + 1, Home: 0, End: this.top }[event.key];
    if (to !== undefined) this.move(to);
    else if (event.key !== " ") return;
    else if (!event.repeat) this.playing ? this.pause() : this.start();
    event.preventDefault();
  }

  destroy() {
    this.calls = 0;
    this.pause(false);
    clearTimeout(this.reporting);
    clearTimeout(this.settling);
    cancelAnimationFrame(this.drawing);
    document.removeEventListener("keydown", this.keyed);
    this.painted.port1.close();
    for (const plot of this.plots) plot.destroy();
    players.delete(this.root);
  }
}

function inView(root) {
  const box = root.getBoundingClientRect();
  return box.height > 0 && box.bottom > 0 && box.top < window.innerHeight;
}

export default function (component) {
  const root = component.parentElement.querySelector(".player");
  if (!players.has(root)) players.set(root, new Player(root));
  const player = players.get(root);
  const call = ++player.calls;
  player.update(component, ...readHead(component.data));
  return () => {
    if (player.calls === call) player.destroy(); // an earlier call's clean-up comes too late to mean anything
  };
}
