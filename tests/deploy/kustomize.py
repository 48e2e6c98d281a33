"""Renders the part of Kustomize that deploy/k8s uses, where no kubectl is to be had.

It knows resources, namespace, labels, configMapGenerator (files and literals, merged by
an overlay), strategic merge patches with a target, images and replicas, and refuses any
other field rather than passing over it. Where a recent kubectl is at hand, the tests
compare the two.
"""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

FIELDS = {
    "apiVersion", "kind", "resources", "namespace", "labels", "configMapGenerator",
    "patches", "images", "replicas",
}  # fmt: skip

# By which field the items of a list are told apart when a patch is merged into it; a
# list that is not here is replaced.
MERGE_KEYS = {
    "containers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumes": "name",
    "topologySpreadConstraints": "topologyKey",
}

GENERATED = "generated"


@cache
def kubectl() -> tuple[str, str] | None:
    """Return a kubectl that is here and its Kustomize's version, if that is 5."""
    found = shutil.which("kubectl")
    if found is None:
        return None
    said = _output(found, "version", "--client")
    version = re.search(r"Kustomize Version: (v5\S*)", said)
    return (found, version[1]) if version else None


def kubectl_renders(folder: Path) -> list[Object] | None:
    """Render with kubectl, or return None where there is none with Kustomize 5."""
    found = kubectl()
    if found is None:
        return None
    return list(yaml.safe_load_all(_output(found[0], "kustomize", str(folder))))


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def renders(folder: Path) -> list[Object]:
    """Render with what is here."""
    objects = _accumulated(folder)
    names = {
        each["metadata"]["name"]: f"{each['metadata']['name']}-{_suffix(each)}"
        for each in objects
        if each.pop(GENERATED, False)
    }
    for each in objects:
        if each["kind"] == "ConfigMap":
            each["metadata"]["name"] = names[each["metadata"]["name"]]
        for reference in _references(each):
            reference["name"] = names.get(reference["name"], reference["name"])
    return objects


def _accumulated(folder: Path) -> list[Object]:
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    if unknown := set(plan) - FIELDS:
        raise ValueError(f"{folder} uses {sorted(unknown)}: teach tests/deploy of it.")
    objects = [
        each
        for resource in plan.get("resources", [])
        for each in _loaded((folder / resource).resolve())
    ]
    for generator in plan.get("configMapGenerator", []):
        _generate(generator, folder, objects)
    for patch in plan.get("patches", []):
        _patch(patch, folder, objects)
    _name(plan.get("namespace"), objects)
    for labels in plan.get("labels", []):
        _label(labels, objects)
    for image in plan.get("images", []):
        _reimage(image, objects)
    for replicas in plan.get("replicas", []):
        _scale(replicas, objects)
    return objects


def _loaded(path: Path) -> list[Object]:
    if path.is_dir():
        return _accumulated(path)
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def _generate(generator: Object, folder: Path, objects: list[Object]) -> None:
    texts = {each: (folder / each).read_text("utf-8") for each in _files(generator)}
    data = texts | dict(each.split("=", 1) for each in generator.get("literals", []))
    if generator.get("behavior") == "merge":
        held = next(
            each
            for each in objects
            if each["kind"] == "ConfigMap"
            and each["metadata"]["name"] == generator["name"]
        )
        held["data"] |= data
        return
    objects.append(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": generator["name"]},
            "data": data,
            GENERATED: True,
        }
    )


def _files(generator: Object) -> list[str]:
    files: list[str] = generator.get("files", [])
    return files


def _patch(patch: Object, folder: Path, objects: list[Object]) -> None:
    text = patch.get("patch") or (folder / patch["path"]).read_text("utf-8")
    change = yaml.safe_load(text)
    met = [each for each in objects if _aimed_at(each, **patch["target"])]
    if not met:
        raise ValueError(f"A patch in {folder} meets nothing.")
    for each in met:
        for part in set(change) - {"apiVersion", "kind", "metadata"}:
            each[part] = _merged(each.get(part), deepcopy(change[part]), part)


def _aimed_at(each: Object, *, kind: str, name: str = ".*") -> bool:
    found = re.fullmatch(kind, each["kind"])
    return bool(found and re.fullmatch(name, each["metadata"]["name"]))


def _merged(held: Any, change: Any, field: str) -> Any:
    if isinstance(held, dict) and isinstance(change, dict):
        both = {
            name: _merged(held[name], value, name) if name in held else value
            for name, value in change.items()
        }
        return held | both
    if isinstance(held, list) and isinstance(change, list) and field in MERGE_KEYS:
        return _merged_by(MERGE_KEYS[field], held, change)
    return change


def _merged_by(key: str, held: list[Object], change: list[Object]) -> list[Object]:
    """Merge two lists: first what the patch names, in its order, then the rest."""
    had = {each[key]: each for each in held}
    changed = [_merged(had.pop(each[key], {}), each, "") for each in change]
    return changed + list(had.values())


def _name(namespace: str | None, objects: list[Object]) -> None:
    for each in objects:
        if namespace and each["kind"] == "Namespace":
            each["metadata"]["name"] = namespace
        elif namespace:
            each["metadata"]["namespace"] = namespace


def _label(labels: Object, objects: list[Object]) -> None:
    for each in objects:
        each["metadata"].setdefault("labels", {}).update(labels["pairs"])
        if labels.get("includeTemplates") and "template" in each.get("spec", {}):
            metadata = each["spec"]["template"].setdefault("metadata", {})
            metadata.setdefault("labels", {}).update(labels["pairs"])


def _containers(each: Object) -> list[Object]:
    template = each.get("spec", {}).get("template", {})
    containers: list[Object] = template.get("spec", {}).get("containers", [])
    return containers


def _reimage(image: Object, objects: list[Object]) -> None:
    for each in objects:
        for container in _containers(each):
            if container["image"].partition(":")[0] == image["name"]:
                digest = f"@{image['digest']}" if "digest" in image else None
                release = digest or f":{image['newTag']}"
                container["image"] = image["newName"] + release


def _scale(replicas: Object, objects: list[Object]) -> None:
    for each in objects:
        if (each["kind"], each["metadata"]["name"]) == ("Deployment", replicas["name"]):
            each["spec"]["replicas"] = replicas["count"]


def _references(each: Object) -> Iterator[Object]:
    """Yield every place of a pod template that names a ConfigMap."""
    for container in _containers(each):
        for source in container.get("envFrom", []):
            yield source["configMapRef"]
    if _containers(each):
        for volume in each["spec"]["template"]["spec"]["volumes"]:
            if "configMap" in volume:
                yield volume["configMap"]


def _suffix(each: Object) -> str:
    """Return the suffix that Kustomize derives from a ConfigMap's contents.

    Its hash has a place for the name and leaves it empty.
    """
    content = {"kind": "ConfigMap", "name": "", "data": each["data"]}
    text = json.dumps(
        content, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return digest.translate(str.maketrans("013ae", "ghkmt"))
