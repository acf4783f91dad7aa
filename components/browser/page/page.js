// The page: one text, its answer character by character.
import { RefusedError, answer, load } from "./model.js";

const byId = (id) => document.getElementById(id);

/** A probability as one reads it; never rounded to certainty. */
function percent(probability) {
  if (probability > 0.9995) return "> 99.9%";
  if (probability < 0.0005) return "< 0.1%";
  return `${(probability * 100).toFixed(1)}%`;
}

/** For a sum, whether the answer is right. */
function sumCheck(text, said) {
  if (!/^\d+(\+\d+)+$/.test(text)) return "";
  const right = text.split("+").reduce((sum, term) => sum + BigInt(term), 0n);
  return said === String(right) ? "✓ right" : `✗ wrong, it is ${right}`;
}

function cell({ character, probability }, place) {
  const item = document.createElement("li");
  item.classList.toggle("blank", !character);
  item.style.setProperty("--place", place);
  item.style.setProperty("--probability", probability);
  for (const [name, text] of [["character", character || "blank"], ["bar", ""], ["percent", percent(probability)]]) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    item.append(part);
  }
  return item;
}

function show(model, text) {
  const begun = performance.now();
  const [{ text: said, probability, places }] = answer(model, [text]);
  const took = `${(performance.now() - begun).toFixed(0)} ms`;
  byId("characters").replaceChildren(...places.map(cell));
  const parts = [`${text} → ${said || "nothing"}`, sumCheck(text, said), `${percent(probability)} for the whole answer`, took];
  byId("whole").textContent = `${parts.filter(Boolean).join(" · ")}.`;
  byId("answer").hidden = false;
}

function showProblem(text) {
  byId("answer").hidden = true;
  byId("whole").textContent = "";
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

async function start() {
  let model;
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!model) return;
    showProblem("");
    try {
      show(model, byId("text").value);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      showProblem(`The model cannot read this. ${error.message}`);
    }
  });
  try {
    model = await load();
  } catch (error) {
    const file = location.protocol === "file:";
    const remedy = file
      ? "Browsers let no page load files from a disk: serve this folder, for example by `python3 -m http.server`."
      : "All files of this folder have to be where this page is.";
    showProblem(`The model cannot be loaded (${error.message}). ${remedy}`);
    return;
  }
  byId("whole").textContent = "";
  byId("about").textContent = `Model ${model.name}, version ${model.version}, by TensorFlow.js ${tf.version_core}.`;
}

start();
