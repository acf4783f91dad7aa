// A request as what one types in a terminal.

/** Quotes for a shell. */
function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function curlLine(request, origin) {
  const { path, body } = restOf(request);
  return `curl -d ${quote(JSON.stringify(body))} ${quote(origin + path)}`;
}

function shapeOf(value) {
  return Array.isArray(value) ? [value.length, ...shapeOf(value[0])] : [];
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** A tensor as protobuf's JSON has it. */
function tensorProto(value, dtype) {
  const values = value.flat(Infinity);
  const fields = {
    DT_STRING: ["string_val", base64],
    DT_INT32: ["int_val", Number],
    DT_INT64: ["int64_val", String],
    DT_FLOAT: ["float_val", Number],
  };
  const [field, convert] = fields[dtype];
  const shape = { dim: shapeOf(value).map((size) => ({ size })) };
  return { dtype, tensor_shape: shape, ...(values.length ? { [field]: values.map(convert) } : {}) };
}

/** By the server's reflection, so no .proto file is needed. */
function grpcurlLine(request, grpc, tls) {
  const inputs = Object.entries(request.inputs).map(([name, value]) => [
    name,
    tensorProto(value, request.types[name].dtype),
  ]);
  const message = {
    model_spec: { name: request.model, version: request.version, signature_name: request.signature },
    inputs: Object.fromEntries(inputs),
  };
  const how = tls ? "-cacert ca.pem" : "-plaintext";
  return `grpcurl ${how} -d ${quote(JSON.stringify(message))} ${grpc} tensorflow.serving.PredictionService/Predict`;
}

/** Shows requests, each by curl and by grpcurl, with buttons that copy. */
function showLines(requests) {
  const origin = served.rest || location.origin;
  const grpc = served.grpc.startsWith(":") ? location.hostname + served.grpc : served.grpc;
  byId("lines").replaceChildren(
    ...requests.flatMap(({ title, request }) => [
      element("h3", { textContent: title }),
      lineBlock("curl", title, curlLine(request, origin)),
      lineBlock("grpcurl", title, grpcurlLine(request, grpc, served.tls)),
    ]),
  );
  byId("requests").hidden = requests.length === 0;
}

function lineBlock(program, title, line) {
  const code = element("code", { textContent: line });
  const button = element("button", { type: "button", className: "plain copy", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy the ${program} line: ${title}`);
  button.addEventListener("click", async () => {
    const done = await copy(line, code);
    button.textContent = done ? "Copied" : "Press Ctrl-C";
    byId("copied").textContent = done ? `The ${program} line is copied.` : "The line is selected: press Ctrl-C.";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  const block = element("div", { className: "line" });
  block.append(element("span", { className: "program", textContent: program }), button, element("pre", {}, code));
  return block;
}

/** Copies a text; where the browser does not let a page do so, selects it and returns false. */
async function copy(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(shown);
    return false;
  }
}
