"""What the peers have in common. Each is a script, `python PEER.py PORT MODEL_DIR`, run by an interpreter of their own.

Each serves one SavedModel as the peer's users would write it, in batches as large and as patient as those that the model asks
for. Nothing of ours is imported: how the model is read and run is the peer's.
"""

# mypy: ignore-errors

import tensorflow as tf

MAX_BATCH_SIZE = 64
MAX_WAIT_S = 0.002


def load(path):
    """Returns a function from texts to their answers."""
    model = tf.saved_model.load(path)
    signature = model.signatures["serving_default"]

    def answer(texts):
        outputs = signature(text=tf.constant(texts))
        answers, log_probs = outputs["text"].numpy(), outputs["log_prob"].numpy()
        return [
            {"text": text.decode(), "log_prob": float(score)} for text, score in zip(answers, log_probs, strict=True)
        ]

    answer.model = model  # a signature does not keep its model alive
    return answer
