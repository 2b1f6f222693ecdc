"""Acceptance of a running Pictor: ``python tests/test_integration.py``.

It is found at API_URL, by default http://localhost:8000. Needs tests/requirements.txt alone.
"""

import importlib.util
import os
import unittest
from pathlib import Path

import requests

API_URL = os.environ.get("API_URL", "http://localhost:8000").rstrip("/")
TIMEOUT_S = 30.0


def photograph(name: str) -> bytes:
    """A photograph from scikit-image's wheel, as it is."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise unittest.SkipTest("scikit-image is not installed")
    return (Path(spec.origin).parent / "data" / name).read_bytes()


class TestIntegration(unittest.TestCase):
    def test_index(self) -> None:
        """The page is there."""
        response = requests.get(f"{API_URL}/", timeout=TIMEOUT_S)
        self.assertEqual(response.status_code, 200)
        self.assertIn("text/html", response.headers["Content-Type"])

    def test_predict(self) -> None:
        """A cup of espresso is taken for one, in exactly three keys."""
        files = {"file": ("coffee.png", photograph("coffee.png"), "image/png")}
        response = requests.post(f"{API_URL}/predict", files=files, timeout=TIMEOUT_S)
        self.assertEqual(response.status_code, 200)
        answer = response.json()
        self.assertEqual(set(answer), {"success", "prediction", "score"})
        self.assertIs(answer["success"], True)
        self.assertEqual(answer["prediction"], "espresso")
        self.assertAlmostEqual(answer["score"], 0.95, delta=0.03)


if __name__ == "__main__":
    unittest.main()
