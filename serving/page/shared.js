// What the page of served models and that of a model in the browser (components/browser) have in common.

const byId = (id) => document.getElementById(id);

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A probability as one reads it; never rounded to certainty. */
function percent(probability) {
  if (probability > 0.9995) return "> 99.9%";
  if (probability < 0.0005) return "< 0.1%";
  return `${(probability * 100).toFixed(1)}%`;
}

/** A place of an answer, with its probability if it is known. */
function characterCell({ character, probability, blank = "blank" }, place) {
  const cell = element("li", { className: character ? "" : "blank" });
  cell.style.setProperty("--place", place);
  cell.append(element("bdi", { className: "character", textContent: character || blank }));
  if (probability !== undefined) cell.append(...likelihood(probability));
  return cell;
}

/** A bar of a probability, and its figure. */
function likelihood(probability) {
  const bar = element("span", { className: "bar" });
  bar.style.setProperty("--probability", probability);
  return [bar, element("span", { className: "percent", textContent: percent(probability) })];
}
