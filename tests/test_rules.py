"""Rules of our own that no linter knows, for everything that runs as a service.

Each is a function from a module's tree to what is wrong in it, and is shown here what
it finds and what it lets pass. An exemption names the place and says why.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUNNING = [
    each
    for pattern in ("libs/*/src", "services/*/src")
    for source in sorted(ROOT.glob(pattern))
    for each in sorted(source.rglob("*.py"))
]
ALL = [*RUNNING, *sorted((ROOT / "cli" / "src").rglob("*.py"))]

LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
TELLING = {"body", "content", "text", "payload", "told", "document", "entity", "model"}
QUERIES = re.compile(
    r"find(_one.*)?|aggregate|count_documents|distinct|(update|delete|replace)_\w+"
)
CODE_IN_STORE = {"$where", "$function", "$accumulator"}
SECRET = re.compile(r"(^|_)(secret|password|passphrase|signature|mac|digest|token)$")

Rule = Callable[[ast.Module], Iterator[ast.AST]]


def calls_in(tree: ast.AST) -> Iterator[tuple[str, str, ast.Call]]:
    """Every call of a method: of what, which, and the call."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute):
            yield ast.unparse(each.func.value), each.func.attr, each


def name_of(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return name_of(func)
        case _:
            return ""


def is_made_text(node: ast.AST) -> bool:
    """Whether a text is put together from others."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mod | ast.Add)
        and any(
            isinstance(each, ast.JoinedStr)
            or (isinstance(each, ast.Constant) and isinstance(each.value, str))
            for each in (node.left, node.right)
        )
    )


def logs_what_was_sent(tree: ast.Module) -> Iterator[ast.AST]:
    """A log line says which and how much: no text of a fault, no body, no model."""
    for of, level, call in calls_in(tree):
        if of != "log" or level not in LEVELS:
            continue
        if level == "exception" or any(
            each.arg == "exc_info" for each in call.keywords
        ):
            yield call
        if any(is_made_text(each) for each in call.args):
            yield call
        for each in call.keywords:
            if any(_tells(inner) for inner in ast.walk(each.value)):
                yield call


def _tells(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.Call):
        return name_of(node) in {"str", "repr", "model_dump", "model_dump_json", "vars"}
    return name_of(node) in TELLING


def queries_made_of_text(tree: ast.Module) -> Iterator[ast.AST]:
    """A query is made of values, never of text: text could be a query itself."""
    for _, method, call in calls_in(tree):
        if QUERIES.fullmatch(method):
            given = (*call.args, *(each.value for each in call.keywords))
            inner = (each for value in given for each in ast.walk(value))
            yield from (call for each in inner if is_made_text(each))
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and each.value in CODE_IN_STORE:
            yield each


def guessable_randomness(tree: ast.Module) -> Iterator[ast.AST]:
    """What must not be guessed comes from ``secrets``, so ``random`` is not needed."""
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom) and each.module == "random":
            yield each
        if isinstance(each, ast.Import) and any(n.name == "random" for n in each.names):
            yield each


def unverified_peers(tree: ast.Module) -> Iterator[ast.AST]:
    """Whoever is spoken to over TLS shows a certificate that is checked."""
    for each in ast.walk(tree):
        match each:
            case ast.keyword(
                arg="verify" | "tlsAllowInvalidCertificates" | "tlsInsecure" as name,
                value=ast.Constant(value=bool() as value),
            ) if value == (name != "verify"):
                yield each
            case ast.Attribute(attr="CERT_NONE" | "_create_unverified_context"):
                yield each


def printing(tree: ast.Module) -> Iterator[ast.AST]:
    """A service writes log lines of listed fields, and nothing else."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and name_of(each.func) in {"print", "pprint"}:
            yield each


def secrets_compared_by_letters(tree: ast.Module) -> Iterator[ast.AST]:
    """A comparison that ends at the first wrong letter tells how many were right."""
    for each in ast.walk(tree):
        if not isinstance(each, ast.Compare):
            continue
        sides = (each.left, *each.comparators)
        empty = any(isinstance(side, ast.Constant) for side in sides)
        if (
            not empty
            and any(isinstance(op, ast.Eq | ast.NotEq) for op in each.ops)
            and any(SECRET.search(name_of(side)) for side in sides)
        ):
            yield each


EXEMPT: dict[tuple[str, str], str] = {
    ("audit.py", "queries_made_of_text"): (
        "The service's own name, as its operator gave it, begins its chains' ids."
    ),
    ("application.py", "logs_what_was_sent"): (
        "service.not_started tells a LookupError of our own, which names types only."
    ),
    ("telemetry.py", "guessable_randomness"): (
        "The id of a trace tells requests apart and opens nothing."
    ),
    ("process.py", "guessable_randomness"): (
        "In development alone, and for a port to begin to look from."
    ),
    ("learning.py", "guessable_randomness"): (
        "A sample of pairs to learn from, the same every time; it opens nothing."
    ),
}
"""By file and rule: how the one place that is meant is excused."""

RULES: list[tuple[Rule, list[Path]]] = [
    (logs_what_was_sent, RUNNING),
    (queries_made_of_text, ALL),
    (guessable_randomness, RUNNING),
    (unverified_peers, ALL),
    (printing, RUNNING),
    (secrets_compared_by_letters, ALL),
]


@pytest.mark.parametrize(
    ("rule", "files"), RULES, ids=lambda each: getattr(each, "__name__", "")
)
def test_every_service_keeps_the_rule(rule: Rule, files: list[Path]) -> None:
    wrong = {
        f"{path.relative_to(ROOT)}:{getattr(each, 'lineno', 0)}"
        for path in files
        if (path.name, rule.__name__) not in EXEMPT
        for each in rule(ast.parse(path.read_text()))
    }

    assert not wrong, f"{rule.__doc__} Not so in {sorted(wrong)}"


@pytest.mark.parametrize(("file", "rule"), EXEMPT)
def test_an_exemption_excuses_one_place(file: str, rule: str) -> None:
    [found] = [each for each, _ in RULES if each.__name__ == rule]
    [path] = [each for each in RUNNING if each.name == file]

    assert len({*found(ast.parse(path.read_text()))}) == 1


FOUND: list[tuple[Rule, str]] = [
    (logs_what_was_sent, 'log.info("a", reason=str(fault))'),
    (logs_what_was_sent, 'log.info("a", reason=fault.args and repr(fault))'),
    (logs_what_was_sent, 'log.info("a", fields=told.model_dump())'),
    (logs_what_was_sent, 'log.info("a", fields=packet.body)'),
    (logs_what_was_sent, 'log.info("a", reason=f"{fault}")'),
    (logs_what_was_sent, 'log.info(f"a {fault}")'),
    (logs_what_was_sent, 'log.info("a %s" % fault)'),
    (logs_what_was_sent, 'log.exception("a")'),
    (logs_what_was_sent, 'log.error("a", exc_info=fault)'),
    (queries_made_of_text, 'self.documents.find({"name": f"{name}"})'),
    (queries_made_of_text, 'documents.find_one({"a." + name: 1})'),
    (queries_made_of_text, 'documents.aggregate([{"$match": {"a": "%s" % name}}])'),
    (queries_made_of_text, 'documents.update_many({}, {"$set": {f"a.{b}": 1}})'),
    (queries_made_of_text, 'query = {"$where": "this.name == 1"}'),
    (guessable_randomness, "import random"),
    (guessable_randomness, "from random import choice"),
    (unverified_peers, "httpx2.AsyncClient(verify=False)"),
    (unverified_peers, "connect(url, tlsAllowInvalidCertificates=True)"),
    (unverified_peers, "context.verify_mode = ssl.CERT_NONE"),
    (printing, "print(referral)"),
    (secrets_compared_by_letters, "given == self.password"),
    (secrets_compared_by_letters, "key.digest != found"),
    (secrets_compared_by_letters, "secret.get_secret_value() == token"),
]

LET_PASS: list[tuple[Rule, str]] = [
    (logs_what_was_sent, 'log.info("a", fault=type(fault).__name__, count=len(found))'),
    (queries_made_of_text, 'documents.find({"name": name, "at": {"$lt": at}})'),
    (guessable_randomness, "from secrets import token_urlsafe"),
    (unverified_peers, "httpx2.AsyncClient(verify=context)"),
    (secrets_compared_by_letters, "compare_digest(given, self.password)"),
    (secrets_compared_by_letters, 'token == ""'),
]


@pytest.mark.parametrize(("rule", "source"), FOUND)
def test_a_rule_finds_what_breaks_it(rule: Rule, source: str) -> None:
    assert [*rule(ast.parse(source))]


@pytest.mark.parametrize(("rule", "source"), LET_PASS)
def test_a_rule_lets_pass_what_keeps_it(rule: Rule, source: str) -> None:
    assert not [*rule(ast.parse(source))]
