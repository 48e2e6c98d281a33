"""What the tests of deploy/ share: the rendered regions."""

from pathlib import Path

import pytest

from . import kustomize

ROOT = Path(__file__).parents[2]


REGIONS = sorted(path.name for path in (ROOT / "deploy/k8s/overlays").iterdir())


def named(region: str) -> str:
    """Name a test by its region and by what rendered it."""
    found = kustomize.kubectl()
    return f"{region} by {f'kubectl {found[1]}' if found else 'our own renderer'}"


@pytest.fixture(scope="session", params=REGIONS, ids=named)
def region(request: pytest.FixtureRequest) -> str:
    """Each region that has an overlay."""
    return str(request.param)


@pytest.fixture(scope="session")
def objects(region: str) -> list[kustomize.Object]:
    """What an overlay makes; by kubectl if one is here, else by our renderer."""
    overlay = ROOT / "deploy/k8s/overlays" / region
    return kustomize.kubectl_renders(overlay) or kustomize.renders(overlay)
