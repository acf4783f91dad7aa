"""MLServer, gRPC of the Open Inference Protocol. With `--request TEXT` it prints such a request, in hexadecimal."""

# mypy: ignore-errors

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from common import MAX_BATCH_SIZE, MAX_WAIT_S, load
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.grpc import dataplane_pb2
from mlserver.types import InferenceResponse


class Sums(MLModel):
    """Answers sums."""

    async def load(self):
        """Loads the model."""
        self.answer = load(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        """Answers a batch."""
        answers = self.answer(StringCodec.decode_input(payload.inputs[0]))
        log_probs = np.array([[answer["log_prob"]] for answer in answers], np.float32)
        outputs = [
            StringCodec.encode_output("text", [answer["text"] for answer in answers]),
            NumpyCodec.encode_output("log_prob", log_probs),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


def main(port, model_dir):
    """Serves until it is told to stop."""
    here, name = os.path.split(os.path.abspath(__file__))
    settings = {"host": "127.0.0.1", "grpc_port": port, "http_port": 0, "metrics_port": 0, "parallel_workers": 0}
    model = {"name": "sums", "implementation": f"{name[:-3]}.Sums", "parameters": {"uri": model_dir}}
    model |= {"max_batch_size": MAX_BATCH_SIZE, "max_batch_time": MAX_WAIT_S}
    with tempfile.TemporaryDirectory() as folder:
        for file_name, content in (("settings.json", settings), ("model-settings.json", model)):
            with open(os.path.join(folder, file_name), "w") as file:
                json.dump(content, file)
        mlserver = os.path.join(os.path.dirname(sys.executable), "mlserver")
        subprocess.run([mlserver, "start", folder], env=os.environ | {"PYTHONPATH": here}, check=False)


if __name__ == "__main__":
    if sys.argv[1] == "--request":
        request = dataplane_pb2.ModelInferRequest(model_name="sums")
        tensor = request.inputs.add(name="text", datatype="BYTES", shape=[1, 1])
        tensor.contents.bytes_contents.append(sys.argv[2].encode())
        print(request.SerializeToString().hex())
    else:
        main(int(sys.argv[1]), sys.argv[2])
