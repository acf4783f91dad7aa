"""Ray Serve, JSON over HTTP at /."""

# mypy: ignore-errors

import sys
import threading

import ray
from common import MAX_BATCH_SIZE, MAX_WAIT_S
from ray import serve


@serve.deployment(max_ongoing_requests=1000)
class Sums:
    """Answers sums."""

    def __init__(self, folder, model_dir):
        sys.path.append(folder)  # the replica is a process of Ray's
        from common import load

        self.answer = load(model_dir)

    @serve.batch(max_batch_size=MAX_BATCH_SIZE, batch_wait_timeout_s=MAX_WAIT_S)
    async def run(self, texts):
        """Answers a batch."""
        return self.answer(texts)

    async def __call__(self, request):
        """Answers a request."""
        return await self.run((await request.json())["text"][0])


if __name__ == "__main__":
    ray.init(include_dashboard=False, num_cpus=2, logging_level="error", log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Sums.bind(sys.path[0], sys.argv[2]))
    threading.Event().wait()
