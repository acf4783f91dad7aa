// A model that forecasts: a chart of the numbers that one pastes, and of what follows on them.

const SVG = "http://www.w3.org/2000/svg";
const CHART = { width: 640, height: 260, left: 56, right: 12, top: 12, bottom: 28 };

/** How many values the model reads at least, or 0 if its signatures do not say. */
function windowLength() {
  return Number(chosen.resolved.signatures.window?.inputs?.history?.tensor_shape?.dim?.[1]?.size ?? 0);
}

/**
 * The numbers in a text: separated by white space, commas or semicolons; or a line each, of which the last field counts, so that
 * the lines of a table can be pasted with their times and their heading.
 */
function numbersOf(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  const fields = lines.length > 1 ? lines.map((line) => line.split(/[;,\t]/).at(-1).trim()) : text.split(/[\s;,]+/).filter(Boolean);
  // Fields of one line may be separated by spaces alone.
  const values = fields.flatMap((field) => (lines.length > 1 ? field.split(/\s+/).at(-1) : field));
  if (values.length && !Number.isFinite(Number(values[0]))) values.shift(); // a heading
  const wrong = values.findIndex((value) => value === "" || !Number.isFinite(Number(value)));
  if (wrong >= 0) throw new RefusedError(`Value ${wrong + 1}, "${values[wrong]}", is no number. Fill what is missing, and write decimals with a point.`);
  if (!values.length) throw new RefusedError("There is no number. Paste the values of the series, the latest last.");
  return values.map(Number);
}

function forecastRequest(history) {
  return predictRequest(chosen.model, chosen.resolved, "serving_default", { history: [history] });
}

function showForecastLines() {
  const length = windowLength();
  byId("history-note").textContent = length ? `this version reads the last ${length}` : "";
  let history;
  try {
    history = numbersOf(byId("history").value);
  } catch {
    history = [...Array(length || 3).keys()];
  }
  showLines([{ title: "The forecast", request: forecastRequest(history) }]);
}

let forecastAsked = 0;

async function forecast() {
  const mine = ++forecastAsked;
  const history = numbersOf(byId("history").value);
  await resolveChoice(); // the newest may be another by now
  const request = forecastRequest(history);
  showLines([{ title: "The forecast", request }]);
  const outputs = await send(request);
  if (mine !== forecastAsked) throw new SupersededError();
  const [middle, lower, upper] = ["forecast", "lower", "upper"].map((name) => outputs[name][0]);
  byId("chart").replaceChildren(chartOf(history.slice(-Math.max(3 * middle.length, 12)), middle, lower, upper));
  byId("steps").replaceChildren(
    ...middle.map((value, i) =>
      element("tr", {}, element("th", { scope: "row", textContent: i + 1 }), ...[value, lower[i], upper[i]].map((n) => element("td", { textContent: shortNumber(n) }))),
    ),
  );
  byId("forecast-said").textContent = `${middle.length} steps by version ${chosen.resolved.version}: next ${shortNumber(middle[0])}, probably ${shortNumber(lower[0])} to ${shortNumber(upper[0])}.`;
  byId("forecasted").hidden = false;
}

function shortNumber(value) {
  return value.toLocaleString("en", { maximumSignificantDigits: Math.abs(value) >= 1000 ? 6 : 4 });
}

function svgElement(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function chartOf(history, middle, lower, upper) {
  const { width, height, left, right, top, bottom } = CHART;
  const all = [...history, ...lower, ...upper];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const range = high - low || Math.abs(high) || 1;
  const steps = history.length + middle.length - 1;
  const x = (step) => left + (step / Math.max(1, steps)) * (width - left - right);
  const y = (value) => top + (1 - (value - low + 0.05 * range) / (1.1 * range)) * (height - top - bottom);
  const points = (values, first) => values.map((value, i) => `${x(first + i).toFixed(1)},${y(value).toFixed(1)}`);
  const now = history.length - 1;
  const last = history.at(-1);
  const area = [...points([last, ...upper], now), ...points([last, ...lower], now).reverse()].join(" ");
  const marks = [low, low + range / 2, low + range].map((value) =>
    svgElement("text", { x: left - 6, y: y(value) + 4, class: "mark", "text-anchor": "end" }, shortNumber(value)),
  );
  const ends = [
    [0, "start", `${now} steps ago`],
    [now, "middle", "now"],
    [steps, "end", `${middle.length} ahead`],
  ].map(([step, anchor, text]) => svgElement("text", { x: x(step), y: height - 8, class: "mark", "text-anchor": anchor }, text));
  return svgElement(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "The values, and the forecast with its interval; the table below has the figures" },
    ...marks,
    ...ends,
    svgElement("line", { x1: x(now), x2: x(now), y1: top, y2: height - bottom, class: "now" }),
    svgElement("polygon", { points: area, class: "interval" }),
    svgElement("polyline", { points: points(history, 0).join(" "), class: "known" }),
    svgElement("polyline", { points: points([last, ...middle], now).join(" "), class: "ahead" }),
  );
}
