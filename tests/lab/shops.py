"""The shop's commits: one that is good, one whose test fails, one that starts but is not well."""

from pathlib import Path

from tests.lab.fleet import ACTIVATE

_SOURCE = Path(__file__).parent / "shop"
_PLACES = {
    ".slipway.yml": "slipway.yml",
    "shop.py": "shop.py",
    "catalogue.py": "catalogue.py",
    "test_shop.py": "test_shop.py",
}

Files = dict[str, str]


def good(version: str, image: str) -> Files:
    """The shop as it should be; its pipeline runs in `image`."""
    files = {place: (_SOURCE / name).read_text() for place, name in _PLACES.items()}
    files["shop.py"] = files["shop.py"].replace("@VERSION@", version)
    files[".slipway.yml"] = files[".slipway.yml"].replace("@IMAGE@", image)
    return files


def failing_test(version: str, image: str) -> Files:
    """Somebody confused cheapest with dearest, and the shop's own test sees it."""
    files = good(version, image)
    files["catalogue.py"] = files["catalogue.py"].replace("return min(", "return max(")
    return files


def unhealthy(version: str, image: str) -> Files:
    """Every test passes, yet /healthz answers 500 once it runs; nobody waits longer than 10 seconds for it."""
    files = good(version, image)
    files[".slipway.yml"] = files[".slipway.yml"].replace("timeout: 30s", "timeout: 10s")
    files["shop.py"] = files["shop.py"].replace("HEALTHY = True", "HEALTHY = False")
    return files


def lean(files: Files) -> Files:
    """Without its tests: one stage that packs what is there."""
    spec = files[".slipway.yml"]
    pack = "mkdir dist && cp shop.py catalogue.py dist/ && cd dist && sha256sum *.py > MANIFEST"
    stages = f"stages:\n  package: {{steps: ['{pack}'], artifacts: [dist/]}}\n"
    return {**files, ".slipway.yml": spec.partition("stages:")[0] + stages + spec[spec.index("\ndeploy:") :]}


def waiting(files: Files, door: str) -> Files:
    """Every host opens the shop once somebody has put the file `door` there."""
    activate = f"sh -c 'until [ -e {door} ]; do sleep 0.1; done' && {ACTIVATE}"
    return {**files, ".slipway.yml": files[".slipway.yml"].replace(ACTIVATE, activate)}
