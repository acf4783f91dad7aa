// The page: one text, its answer character by character.
import { RefusedError, answer, load } from "./model.js";

async function show(model, text) {
  const begun = performance.now();
  const [{ text: said, probability, places }] = await answer(model, [text]);
  const took = `${(performance.now() - begun).toFixed(0)} ms`;
  byId("characters").replaceChildren(...places.map(characterCell));
  const parts = [`${text} → ${said || "nothing"}`, `${percent(probability)} for the whole answer`, took];
  byId("whole").textContent = `${parts.join(" · ")}.`;
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
  byId("ask").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!model) return;
    showProblem("");
    try {
      await show(model, byId("text").value);
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
