"""A repository and its mirror."""

from pathlib import Path

import pytest

from runners.checkout import Mirror
from tests.runners.checkout.ground import Repository


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def mirror(shop: Repository, tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirrors" / "1", str(shop.path))
