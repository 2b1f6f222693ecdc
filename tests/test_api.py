"""The classic acceptance tests under their classic names, against a whole system with its own server."""

import httpx

from tests.support.system import System


class TestIntegration:
    def test_bad_parameters(self, system: System) -> None:
        """A prediction without a file is refused in exactly the three keys."""
        response = httpx.post(f"{system.url}/predict")
        assert response.status_code == 400
        assert response.json() == {"success": False, "prediction": None, "score": None}


class TestEnpointsAvailability:  # sic: the name that existing callers ask for
    def test_feedback(self, system: System) -> None:
        assert httpx.get(f"{system.url}/feedback").status_code == 200

    def test_index(self, system: System) -> None:
        assert httpx.get(f"{system.url}/").status_code == 200

    def test_predict(self, system: System) -> None:
        """A prediction is posted, never fetched."""
        assert httpx.get(f"{system.url}/predict").status_code == 405
