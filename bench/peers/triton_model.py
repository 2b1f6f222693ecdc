"""What Triton's own Python backend loads, one in each of its processes; `triton_server` names it in a `model.py`."""

from typing import Any

import numpy as np
import triton_python_backend_utils as triton

from bench.peers.work import Answer, Classifier


class TritonPythonModel:
    """An engine of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Before the first request."""
        self._classifier = Classifier()

    def execute(self, requests: list[Any]) -> list[Any]:
        """An answer for each request, in order; each has one file, as bytes [1, 1]."""
        files = [
            triton.get_input_tensor_by_name(one, "image").as_numpy()[0, 0]
            for one in requests
        ]
        return [_response(one) for one in self._classifier.classify(files)]


def _response(answer: Answer) -> Any:
    label = np.array([[answer["prediction"].encode()]], object)
    score = np.array([[answer["score"]]], np.float32)
    tensors = [triton.Tensor("prediction", label), triton.Tensor("score", score)]
    return triton.InferenceResponse(tensors)
