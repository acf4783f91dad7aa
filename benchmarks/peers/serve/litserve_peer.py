"""LitServe, JSON over HTTP at /predict."""

# mypy: ignore-errors

import sys

import litserve
from common import MAX_BATCH_SIZE, MAX_WAIT_S, load


class Sums(litserve.LitAPI):
    """Answers sums."""

    def setup(self, device):
        """Loads the model, in the worker's process."""
        self.answer = load(sys.argv[2])

    def decode_request(self, request):
        """Takes the text out of the body."""
        return request["text"][0]

    def batch(self, inputs):
        """Leaves a batch as the list that it is."""
        return inputs

    def predict(self, texts):
        """Answers a batch."""
        return self.answer(texts)

    def unbatch(self, output):
        """Leaves the answers as the list that they are."""
        return output

    def encode_response(self, output):
        """Leaves an answer as the dictionary that it is."""
        return output


if __name__ == "__main__":
    api = Sums(max_batch_size=MAX_BATCH_SIZE, batch_timeout=MAX_WAIT_S)
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="error")
