"""What deploy/k8s makes for each region is what the design promises."""

import importlib
import json
import os
import re
from collections.abc import Iterator
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from typing import Any

import certifi
import jsonschema
import kubernetes_validate
import pytest
import yaml
from accord_chassis.service import check_production
from accord_chassis.settings import settings_of

from . import kustomize
from .kustomize import Object
from .network import Door, Place, allows
from .pod_security import violations

ROOT = Path(__file__).parents[2]
SERVICES = ("referrals", "risk", "allocation", "plans", "notify")
ASKING = ("referrals", "risk", "plans", "notify")
"""They ask allocation who works on what."""
JOBS = ("topology", "store-users", "audit")
SCHEMAS = Path(__file__).parent / "schemas"

# The oldest Kubernetes that knows all we use (a preStop that sleeps), and the newest
# whose schemas we have.
VERSIONS = ("1.30", "1.37")

DRAINS = 25


def of(objects: list[Object], kind: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def templates(objects: list[Object]) -> dict[str, Object]:
    """Every pod there will be, by the name of what makes it."""
    made = of(objects, "Deployment") | of(objects, "Job")
    return {name: each["spec"]["template"] for name, each in made.items()}


def container(template: Object) -> Object:
    [only] = template["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def settings(objects: list[Object]) -> dict[str, str]:
    return named(objects, "settings")


def named(objects: list[Object], generator: str) -> dict[str, str]:
    """Return what a generated ConfigMap holds."""
    [held] = [
        each["data"]
        for name, each in of(objects, "ConfigMap").items()
        if name.startswith(f"{generator}-")
    ]
    assert isinstance(held, dict)
    return held


def texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    else:
        yield str(value)


def key(each: Object) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


def test_our_renderer_agrees_with_kubectl(region: str) -> None:
    overlay = ROOT / "deploy/k8s/overlays" / region
    theirs = kustomize.kubectl_renders(overlay)
    if theirs is None:
        pytest.skip("no kubectl with Kustomize 5 here: our own renderer alone was used")

    ours = kustomize.renders(overlay)

    assert sorted(ours, key=key) == sorted(theirs, key=key)


def test_the_patch_that_the_readme_shows_lets_an_address_outside_in(
    tmp_path: Path,
) -> None:
    readme = (ROOT / "deploy/README.md").read_text("utf-8")
    [shown] = re.findall(r"```yaml\n(patches:\n.*?)```", readme, re.DOTALL)
    base = os.path.relpath(ROOT / "deploy/k8s/overlays/waikato", tmp_path)
    overlay = {"resources": [base], **yaml.safe_load(shown)}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay), "utf-8")

    ours = kustomize.renders(tmp_path)
    theirs = kustomize.kubectl_renders(tmp_path) or ours

    assert sorted(ours, key=key) == sorted(theirs, key=key)
    [rule] = of(ours, "NetworkPolicy")["identity"]["spec"]["egress"]
    assert rule["to"] == [{"ipBlock": {"cidr": "192.0.2.10/32"}}]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_kubernetes(
    objects: list[Object], version: str
) -> None:
    for each in objects:
        if each["kind"] not in {"HTTPRoute", "BackendTLSPolicy"}:
            kubernetes_validate.validate(each, version, strict=True)


def test_a_misspelt_field_is_found(objects: list[Object]) -> None:
    wrong = deepcopy(of(objects, "Deployment")["risk"])
    wrong["spec"]["template"]["spec"]["terminationGraceSeconds"] = 30

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_the_route_fits_our_schema_of_an_http_route(objects: list[Object]) -> None:
    schema = json.loads((SCHEMAS / "httproute.json").read_text("utf-8"))
    [route] = of(objects, "HTTPRoute").values()

    jsonschema.Draft202012Validator(schema).validate(route)


def test_from_the_gateway_on_every_service_is_spoken_to_by_tls(
    objects: list[Object],
) -> None:
    schema = json.loads((SCHEMAS / "backendtlspolicy.json").read_text("utf-8"))
    policies = of(objects, "BackendTLSPolicy")

    for name, policy in policies.items():
        jsonschema.Draft202012Validator(schema).validate(policy)
        [target] = policy["spec"]["targetRefs"]
        assert {target["name"], policy["spec"]["validation"]["hostname"]} == {name}
    assert set(policies) == set(SERVICES)
    for name in SERVICES:
        [port] = of(objects, "Service")[name]["spec"]["ports"]
        assert port["appProtocol"] == "https"


def test_the_route_strips_the_service_and_lets_only_v1_and_a_page_through(
    objects: list[Object],
) -> None:
    [route] = of(objects, "HTTPRoute").values()
    services = of(objects, "Service")

    ways = {}
    for rule in route["spec"]["rules"]:
        [match], [backend] = rule["matches"], rule["backendRefs"]
        assert backend["port"] in [
            port["port"] for port in services[backend["name"]]["spec"]["ports"]
        ]
        to = [
            each["urlRewrite"]["path"]["replacePrefixMatch"]
            for each in rule.get("filters", ())
        ]
        ways[match["path"]["value"]] = (backend["name"], to)

    assert ways == {
        **{f"/api/{name}/v1": (name, ["/v1"]) for name in SERVICES},
        "/acknowledge": ("notify", []),
    }


def test_each_region_has_its_own_namespace_with_restricted_pods(
    objects: list[Object], region: str
) -> None:
    namespaces = of(objects, "Namespace")

    assert list(namespaces) == [f"accord-{region}"]
    labels = namespaces[f"accord-{region}"]["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
    for each in objects:
        if each["kind"] != "Namespace":
            assert each["metadata"]["namespace"] == f"accord-{region}", key(each)


def test_every_service_has_all_that_it_needs(objects: list[Object]) -> None:
    for kind in ("Deployment", "Service", "PodDisruptionBudget"):
        assert set(of(objects, kind)) == set(SERVICES)
    assert set(of(objects, "ServiceAccount")) == {*SERVICES, *JOBS}
    assert set(of(objects, "Job")) == set(JOBS)


def test_every_selector_meets_its_own_pods_and_no_others(
    objects: list[Object],
) -> None:
    for name in SERVICES:
        selectors = [
            of(objects, "Deployment")[name]["spec"]["selector"]["matchLabels"],
            of(objects, "PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"],
            of(objects, "Service")[name]["spec"]["selector"],
        ]
        for selector in selectors:
            met = [
                pod
                for pod, template in templates(objects).items()
                if selector.items() <= template["metadata"]["labels"].items()
            ]
            assert met == [name]


def test_pods_are_restricted_and_more(objects: list[Object]) -> None:
    for name, template in templates(objects).items():
        pod = template["spec"]
        assert violations(pod) == [], name
        assert pod["securityContext"]["runAsUser"] >= 10_000
        assert pod["automountServiceAccountToken"] is False
        assert pod["serviceAccountName"] == name
        assert container(template)["securityContext"]["readOnlyRootFilesystem"] is True
        writable = [
            mount["mountPath"]
            for mount in container(template)["volumeMounts"]
            if not mount.get("readOnly")
        ]
        assert writable == ["/tmp"]  # noqa: S108 - The pod's own.
    for account in of(objects, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("rule", "path", "value"),
    [
        ("hostNetwork", ["hostNetwork"], True),
        ("volume tmp", ["volumes", 2], {"name": "tmp", "hostPath": {"path": "/"}}),
        ("runAsNonRoot", ["securityContext", "runAsNonRoot"], False),
        ("runAsUser", ["securityContext", "runAsUser"], 0),
        ("seccompProfile", ["securityContext", "seccompProfile"], {}),
        ("allowPrivilegeEscalation",
         ["containers", 0, "securityContext", "allowPrivilegeEscalation"], True),
        ("privileged", ["containers", 0, "securityContext", "privileged"], True),
        ("capabilities.drop",
         ["containers", 0, "securityContext", "capabilities"], {"drop": ["NET_RAW"]}),
        ("hostPort", ["containers", 0, "ports", 0, "hostPort"], 8000),
    ],
)  # fmt: skip
def test_a_weakened_pod_is_found(
    objects: list[Object], rule: str, path: list[Any], value: object
) -> None:
    pod = deepcopy(templates(objects)["risk"]["spec"])
    *way, last = path
    place = pod
    for step in way:
        place = place[step]
    place[last] = value

    assert violations(pod) == [rule]


def test_probes_ask_what_each_is_for(objects: list[Object]) -> None:
    for name in SERVICES:
        probed = container(templates(objects)[name])
        assert probed["ports"] == [{"name": "http", "containerPort": 8000}]
        for probe, path in (
            ("startupProbe", "/live"),
            ("livenessProbe", "/live"),
            ("readinessProbe", "/ready"),
        ):
            assert probed[probe]["httpGet"] == {
                "path": path, "port": "http", "scheme": "HTTPS",
            }  # fmt: skip


def test_a_pod_has_time_to_drain(objects: list[Object]) -> None:
    for name in SERVICES:
        template = templates(objects)[name]
        waits = container(template)["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert waits + DRAINS < template["spec"]["terminationGracePeriodSeconds"] == 30


def test_a_release_never_takes_a_service_away(objects: list[Object]) -> None:
    for name in SERVICES:
        spec = of(objects, "Deployment")[name]["spec"]
        budget = of(objects, "PodDisruptionBudget")[name]["spec"]
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert spec["replicas"] > budget["maxUnavailable"]
        spread = spec["template"]["spec"]["topologySpreadConstraints"]
        assert [each["topologyKey"] for each in spread] == [
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        ]


def test_every_container_says_what_it_needs(objects: list[Object]) -> None:
    for template in templates(objects).values():
        resources = container(template)["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"])
        assert "memory" in resources["limits"]


def test_every_image_is_ours_and_has_a_release(objects: list[Object]) -> None:
    for name, template in templates(objects).items():
        wanted = "command" if name in JOBS else name
        release = r":\d+\.\d+\.\d+|@sha256:[0-9a-f]{64}"
        image = container(template)["image"]
        assert re.fullmatch(rf"[^/]+\.[^/]+/accord/{wanted}({release})", image)


def test_every_config_map_is_there_and_is_used(objects: list[Object]) -> None:
    for template in templates(objects).values():
        settings = [each["configMapRef"] for each in container(template)["envFrom"]]
        volumes = template["spec"]["volumes"]
        files = [each["configMap"] for each in volumes if "configMap" in each]

        used = {each["name"] for each in (*settings, *files)}

        assert used == set(of(objects, "ConfigMap"))


def test_the_locality_holds_every_policy_of_the_region(
    objects: list[Object], region: str
) -> None:
    policies = {
        path.name: path.read_text("utf-8")
        for path in (ROOT / "localities" / region).glob("*.yaml")
        if path.name != "kustomization.yaml"
    }
    held = named(objects, "locality")

    assert {f"{name}.yaml" for name in SERVICES} <= set(held)
    assert held == policies


def test_no_object_holds_a_secret(objects: list[Object]) -> None:
    assert not of(objects, "Secret")
    for each in objects:
        for text in texts(each):
            assert not re.search(r"://[^/\s]*:[^/\s]*@", text), key(each)
            assert "PRIVATE KEY" not in text
    for name in settings(objects):
        assert not re.search(r"PASSWORD|AMQP_URL|STORE_URL|SMTP_URL|_KEY$", name)


# What the namespace's owner puts into a service's Secret, as the README says.
SECRETS = {
    "accord_amqp_url": "amqps://user:word@broker.example:5671/region",
    "accord_store_url": "mongodb://user:word@store.example:27017/?tls=true",
    "service_token": "a.b.c",
    "accord_audit_key": "of thirty-two characters at the least",
    "ca.crt": Path(certifi.where()).read_text("utf-8"),
}

SEALING_SECRETS = SECRETS | {
    "accord_kms_credentials": '{"accessKeyId": "id", "secretAccessKey": "word"}',
}

NOTIFY_SECRETS = SECRETS | {
    "accord_smtp_url": "smtp+starttls://user:word@mail.example:587",
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_accepts_its_settings_and_policies_in_production(
    objects: list[Object], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (ROOT / "deploy/README.md").read_text("utf-8")
    sealing = dict.fromkeys(("referrals", "allocation", "plans"), SEALING_SECRETS)
    given = {**sealing, "notify": NOTIFY_SECRETS}.get(name, SECRETS)
    assert all(f"`{secret}`" in readme for secret in given)
    mounted = {
        "/etc/accord/secrets": given,
        "/etc/accord/locality": named(objects, "locality"),
    }
    for setting, value in settings(objects).items():
        monkeypatch.setenv(setting, value.replace("/etc/", f"{tmp_path}/etc/"))
    for folder, files in mounted.items():
        place = tmp_path / folder.lstrip("/")
        place.mkdir(parents=True)
        for file, text in files.items():
            (place / file).write_text(text, "utf-8")

    app = importlib.import_module(f"{name}.app")
    found = settings_of(app.Settings)

    check_production(found)
    assert app.create_app(found)


def test_every_secret_is_named_in_the_readme(objects: list[Object]) -> None:
    readme = (ROOT / "deploy/README.md").read_text("utf-8")
    for template in templates(objects).values():
        for volume in template["spec"]["volumes"]:
            if "secret" in volume:
                assert f"`{volume['secret']['secretName']}`" in readme


REGIONAL = {
    "ACCORD_ISSUER", "ACCORD_JWKS_URL", "ACCORD_LINK_BASE", "ACCORD_MAIL_FROM",
    "ACCORD_REGION",
}  # fmt: skip


def own(region: Path) -> set[str]:
    """Everything that is a region's own: its namespace, its host, its addresses."""
    objects = kustomize.renders(region)
    [route] = of(objects, "HTTPRoute").values()
    held = settings(objects)
    return {
        *of(objects, "Namespace"),
        *route["spec"]["hostnames"],
        *(held[name] for name in REGIONAL),
    }


def test_regions_share_nothing_that_is_a_regions_own() -> None:
    overlays = {path.name: path for path in (ROOT / "deploy/k8s/overlays").iterdir()}

    assert {"canterbury", "waikato"} <= set(overlays)
    for one, other in combinations(overlays.values(), 2):
        assert own(one).isdisjoint(own(other))


# --- The network: every connection that may be, and no other.

ELSEWHERE = {
    "dns": Place("dns", "kube-system", {"k8s-app": "kube-dns"},
                 {"kubernetes.io/metadata.name": "kube-system"}),
    "nodes": Place("nodes", "kube-system", {},
                   {"kubernetes.io/metadata.name": "kube-system"}),
    **{
        name: Place(name, f"the-{name}", {}, {f"accord/provides-{name}": "true"})
        for name in ("broker", "store", "identity", "collector", "mail", "gateway")
    },
    "stranger": Place("stranger", "elsewhere", {}, {}),
}  # fmt: skip

PORTS = (25, 53, 80, 443, 587, 4318, 5671, 5672, 8000, 8443, 15671, 15672, 27017)

EVERY_SERVICE = {
    ("dns", 53), ("broker", 5671), ("store", 27017), ("identity", 443),
    ("identity", 8443), ("collector", 4318),
}  # fmt: skip


def places(objects: list[Object]) -> dict[str, Place]:
    [namespace] = of(objects, "Namespace").values()
    named = namespace["metadata"]
    return {
        name: Place(name, named["name"], template["metadata"]["labels"],
                    named["labels"])
        for name, template in templates(objects).items()
    }  # fmt: skip


def test_a_pod_reaches_what_it_needs_and_nothing_else(objects: list[Object]) -> None:
    policies = list(of(objects, "NetworkPolicy").values())
    pods = places(objects)
    wanted = {name: set(EVERY_SERVICE) for name in SERVICES}
    wanted["notify"] |= {("mail", 587)}
    for name in ASKING:
        wanted[name] |= {("allocation", 8000)}
    wanted["plans"] |= {("risk", 8000), ("referrals", 8000)}
    wanted["notify"] |= {("referrals", 8000)}
    wanted["topology"] = {("dns", 53), ("broker", 15671)}
    wanted["store-users"] = wanted["audit"] = {("dns", 53), ("store", 27017)}

    for name, pod in pods.items():
        others = [each for each in pods.values() if each is not pod]
        reached = {
            (place.name, port)
            for place in (*ELSEWHERE.values(), *others)
            for port in PORTS
            if allows(policies, pod, Door(place, port))
        }
        assert reached == wanted[name], name


def test_a_pod_is_reached_from_the_gateway_and_by_whom_it_answers(
    objects: list[Object],
) -> None:
    policies = list(of(objects, "NetworkPolicy").values())
    pods = places(objects)
    wanted = {name: {("gateway", 8000)} for name in SERVICES}
    wanted["allocation"] |= {(name, 8000) for name in ASKING}
    wanted["risk"] |= {("plans", 8000)}
    wanted["referrals"] |= {("plans", 8000), ("notify", 8000)}
    wanted |= {name: set() for name in JOBS}

    for name, pod in pods.items():
        others = [each for each in pods.values() if each is not pod]
        callers = {
            (place.name, port)
            for place in (*ELSEWHERE.values(), *others)
            for port in PORTS
            if allows(policies, place, Door(pod, port))
        }
        assert callers == wanted[name], name


def test_a_pod_that_nobody_thought_of_reaches_only_names(
    objects: list[Object],
) -> None:
    policies = list(of(objects, "NetworkPolicy").values())
    one, *_ = places(objects).values()
    unknown = Place("unknown", one.namespace, {}, one.namespace_labels)

    reached = {
        (place.name, port)
        for place in (*ELSEWHERE.values(), *places(objects).values())
        for port in PORTS
        if allows(policies, unknown, Door(place, port))
    }

    assert reached == {("dns", 53)}
    assert not any(allows(policies, ELSEWHERE["gateway"], Door(unknown, port))
                   for port in PORTS)  # fmt: skip


def test_every_policy_has_a_reason_and_meets_a_pod(objects: list[Object]) -> None:
    labels = [each.labels for each in places(objects).values()]
    selected = set()
    for policy in of(objects, "NetworkPolicy").values():
        assert policy["metadata"]["annotations"]["accord/reason"].endswith(".")
        selector = policy["spec"]["podSelector"].get("matchLabels", {})
        assert any(selector.items() <= each.items() for each in labels)
        selected |= set(selector)

    declared = {name for each in labels for name in each if name.startswith("accord/")}
    assert declared - {"accord/region"} <= selected
