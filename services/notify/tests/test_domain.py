"""Who is told, in which words, how far a message has come. Pure."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml
from accord_chassis.settings import policy_of
from accord_chassis.testing import NOON, new_id
from accord_contracts.risk import RiskLevel
from hypothesis import given
from hypothesis import strategies as st
from notify.domain.hours import Urgency
from notify.domain.mail import Mail, MailState, Outcome
from notify.domain.notification import Notification, notification_id, reference_of
from notify.domain.offer import Offer
from notify.domain.policy import Language, Policy, Text
from notify.domain.team import Team, gone
from notify.domain.wording import Wording
from notify_builders import IVS, LEAD, LINK_BASE, LOCALITIES, MINUTE, POLICY
from notify_builders import notification as message_to_a_worker
from pydantic import ValidationError

LATER = NOON + 30 * MINUTE

FACTS = {
    "thing.offered.v1": {"worker_id": True, "level": True},
    "thing.expired.v1": {"worker_id": False},
    "thing.changed.v1": {"level": True},
}


def everything() -> dict[str, Any]:
    """A locality's policy with all that it may have."""
    told = POLICY.model_dump(mode="json")
    text = {"en": "A message", "mi": "He karere"}
    told["wide"] = {"hosts": ["chat.example"], "to": "email", "text": text}
    return told


def written() -> dict[str, Any]:
    """A small policy as it stands in a file, which breaks no rule."""
    text = {"subject": "{reference}", "text": "{reference} {link}"}
    return {
        "version": "test",
        "languages": ["en"],
        "templates": {"task": {"en": text, "mi": text}},
        "chains": {"usual": [{"tell": "coordinator", "wait_minutes": 30}]},
        "rules": {
            "thing.offered.v1": {
                "template": "task",
                "who": ["worker"],
                "urgency": "normal",
                "acknowledge_minutes": 60,
                "chain": "usual",
                "levels": {"high": {"urgency": "high", "acknowledge_minutes": 5}},
            },
            "thing.expired.v1": {
                "template": "task",
                "who": ["worker", "nobody"],
                "urgency": "low",
            },
            "thing.changed.v1": {
                "template": "task",
                "who": ["lead", "team", "coordinator"],
                "urgency": "low",
            },
        },
        "several": {
            "en": {"subject": "{count}", "text": "{count} {reference} {link}"},
            "mi": {"subject": "{count}", "text": "{count} {reference} {link}"},
        },
        "quiet": {
            "time_zone": "UTC",
            "begins": "20:00",
            "ends": "07:00",
            "passes": ["critical"],
            "digests_at": ["08:30"],
        },
        "email": {
            "again_after_minutes": [1, 5],
            "unknown_after_minutes": 10,
            "other_way_after_attempts": 2,
            "gather_minutes": 10,
            "silent_after_minutes": 15,
        },
        "links": {
            "good_minutes": 60,
            "text": {"en": "{link}", "mi": "{link}"},
            "page": everything()["links"]["page"],
        },
        "webhooks": {
            "again_after_minutes": [1, 5],
            "spread": 0,
            "unknown_after_minutes": 5,
            "off_after_minutes": 5,
            "both_secrets_minutes": 60,
        },
    }


def changed(*path: str, to: Any) -> Policy:
    """Read that policy with one thing changed."""
    policy = written()
    place: Any = policy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return Policy.model_validate(policy)


@pytest.mark.parametrize("locality", ["canterbury", "waikato"])
def test_a_localitys_policy_is_whole(locality: str) -> None:
    policy = policy_of(Policy, LOCALITIES / locality, "notify")

    assert policy.version.startswith(locality)
    for texts in policy.templates.values():
        assert set(texts) == set(Language)


@pytest.mark.parametrize("locality", ["canterbury", "waikato"])
@pytest.mark.parametrize("event", ["allocation.offered.v1", "allocation.unfilled.v1"])
def test_the_higher_the_level_the_sooner_somebody_must_know(
    locality: str, event: str
) -> None:
    policy = policy_of(Policy, LOCALITIES / locality, "notify")

    limits = [policy.rule(event, each).acknowledge_minutes for each in RiskLevel]

    assert all(limits)
    assert limits == sorted(limits, key=lambda each: each or 0, reverse=True)
    assert limits[-1] != limits[0]


@pytest.mark.parametrize("locality", ["canterbury", "waikato"])
def test_silence_about_an_offer_goes_up_the_chain_before_the_offer_lapses(
    locality: str,
) -> None:
    policy = policy_of(Policy, LOCALITIES / locality, "notify")
    file = LOCALITIES / locality / "allocation.yaml"
    answer_minutes = yaml.safe_load(file.read_bytes())["answer_minutes"]

    for level in RiskLevel:
        rule = policy.rule("allocation.offered.v1", level)
        assert rule.acknowledge_minutes
        assert rule.acknowledge_minutes < answer_minutes[level]


OTHERS = [
    "{name}",
    "{address}",
    "{date_of_birth}",
    "{phone}",
    "{email}",
    "{nhi}",
    "{level}",
    "{reasons}",
    "{role}",
    "{agency}",
    "{case_id}",
    "{referral_id}",
    "{worker_id}",
    "{notification_id}",
    "{event}",
    "{}",
    "{0}",
    "{reference.case_id}",
    "{reference!r}",
    "{reference:>99}",
    "{link.__class__}",
    "{ reference }",
    "{Reference}",
    "{{reference}}",
    "{",
    "}",
    "%(name)s",
    "%s",
    "${name}",
    "$name",
    "{% include 'name' %}",
    "{{ name }}",
    "<%= name %>",
    "<name/>",
    "\\N{name}",
    "one line\nBcc: another",
    "\x00",
]
"""Everything that could be filled in with something else."""


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("field", ["subject", "text"])
def test_a_text_with_room_for_anything_else_is_refused(field: str, other: str) -> None:
    text = {"subject": "A task", "text": "See {reference}, {link}."}

    with pytest.raises(ValidationError, match=re.escape("only {reference} and {link}")):
        Text.model_validate({**text, field: f"{text[field]} {other}"})


EVERY_CHANNEL = {
    # The same stands in the inbox and in a letter.
    ("templates", "offer", "mi", "subject"): "{reference}",
    ("templates", "offer", "mi", "text"): "{reference} {link}",
    ("several", "mi", "subject"): "{reference} {count}",
    ("several", "mi", "text"): "{reference} {link} {count}",
    ("links", "text", "mi"): "{link}",
    ("sms", "text", "mi"): "He karere",
    ("sms", "reply", "mi"): "Whakautu",
    ("sms", "body", "to"): "{to}",
    ("sms", "headers", "idempotency-key"): "{key}",
    ("push", "text", "mi"): "He karere",
    ("wide", "text", "mi"): "He karere",
    ("links", "page", "mi", "title"): "Whakautua",
    ("links", "page", "mi", "reasons", "unsafe"): "Kāore e haumaru",
    ("people", "texts", "we_will_ring", "text", "mi"): "Waea mai",
}
"""Everything that a locality writes for somebody to read, or for what carries it."""


@pytest.mark.parametrize("path", EVERY_CHANNEL)
@pytest.mark.parametrize("other", ["", *OTHERS])
def test_by_no_channel_could_a_text_carry_anything_else(
    path: tuple[str, ...], other: str
) -> None:
    told = everything()
    place: Any = told
    for step in path[:-1]:
        place = place[step]
    assert path[-1] in place
    place[path[-1]] = f"{EVERY_CHANNEL[path]} {other}".strip(" ")

    if other:
        with pytest.raises(ValidationError, match="may be filled in"):
            Policy.model_validate(told)
    else:
        assert Policy.model_validate(told)


@pytest.mark.parametrize("path", [each for each in EVERY_CHANNEL if "mi" in each])
def test_by_every_channel_all_languages_of_the_locality_are_written(
    path: tuple[str, ...],
) -> None:
    told = everything()
    place: Any = told
    for step in path[: path.index("mi")]:
        place = place[step]
    del place["mi"]

    with pytest.raises(
        ValidationError, match=r"is not written in mi|in the same languages"
    ):
        Policy.model_validate(told)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ({"subject": "{link}", "text": "{reference} {link}"}, "no room for a link"),
        ({"subject": "A task", "text": "{reference}"}, "must have"),
        ({"subject": "A task", "text": "{link}"}, "must have"),
        ({"subject": "", "text": "{reference} {link}"}, "at least 1"),
        ({"subject": "A" * 79, "text": "{reference} {link}"}, "at most 78"),
        (
            {"subject": "A", "text": "{reference} {link}", "sms": "{reference}"},
            "not permitted",
        ),
    ],
)
def test_a_text_leads_somewhere(text: dict[str, str], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        Text.model_validate(text)


RULES = ("rules", "thing.changed.v1")
STEP = {"tell": "deputy", "wait_minutes": 5}


@pytest.mark.parametrize(
    ("path", "to", "rule"),
    [
        (("surprise",), 1, "not permitted"),
        (("languages",), [], "at least 1"),
        (("languages",), ["en", "fr"], "'en' or 'mi'"),
        (("templates", "task"), {"mi": {}}, "required"),
        (("templates",), {}, "no such template"),
        (("chains",), {}, "at least 1"),
        (("chains", "usual"), [], "end with the coordinator"),
        (("chains", "usual"), [STEP], "end with the coordinator"),
        (("chains", "usual"), [{"tell": "minister", "wait_minutes": 1}], "'deputy'"),
        (("chains", "usual"), [{**STEP, "wait_minutes": 0}], "greater than 0"),
        ((*RULES, "who"), ["lead", "team"], "may be nobody at all"),
        ((*RULES, "who"), ["lead"], "may be nobody at all"),
        ((*RULES, "who"), ["nobody", "coordinator"], "nobody comes last"),
        ((*RULES, "who"), [], "at least 1"),
        ((*RULES, "channels"), ["email"], "the inbox is always"),
        (
            (*RULES, "channels"),
            ["inbox", "pigeon"],
            "'inbox', 'email', 'sms', 'push' or 'wide'",
        ),
        ((*RULES, "channels"), ["inbox", "sms", "email"], "put email before it"),
        ((*RULES, "channels"), ["inbox", "push"], "comes in bursts"),
        ((*RULES, "acknowledge_minutes"), 5, "need each other"),
        ((*RULES, "chain"), "usual", "need each other"),
        ((*RULES, "levels"), {"grave": {}}, "'low'"),
        ((*RULES, "levels"), {"high": {"chain": "usual"}}, "need each other"),
        ((*RULES, "levels"), {"high": {"loud": True}}, "not permitted"),
        ((*RULES, "template"), "verse", "no such template"),
        (("rules", "thing.offered.v1", "chain"), "golden", "no such chain"),
        (("email", "again_after_minutes"), [], "at least 1"),
    ],
)
def test_a_policy_that_does_not_hold_together_is_refused(
    path: tuple[str, ...], to: Any, rule: str
) -> None:
    with pytest.raises(ValidationError, match=rule):
        changed(*path, to=to)


def test_a_template_must_be_written_in_every_language_of_the_locality() -> None:
    text = {"subject": "{reference}", "text": "{reference} {link}"}
    policy = {**written(), "languages": ["mi"], "templates": {"task": {"en": text}}}

    with pytest.raises(ValidationError, match="task is not written in mi"):
        Policy.model_validate(policy)


@pytest.mark.parametrize(
    ("path", "to", "rule"),
    [
        (("rules", "thing.lost.v1"), {**written()["rules"][RULES[1]]}, "thing.lost.v1"),
        ((*RULES, "who"), ["worker", "nobody"], "names no worker"),
        (("rules", "thing.expired.v1", "who"), ["worker"], "not always name a worker"),
        (("rules", "thing.expired.v1", "levels"), {"high": {}}, "tells no level"),
        (
            ("rules", "thing.offered.v1", "progress_minutes"),
            60,
            "nothing is heard of its end",
        ),
    ],
)
def test_a_rule_must_fit_its_event(path: tuple[str, ...], to: Any, rule: str) -> None:
    policy = changed(*path, to=to)

    with pytest.raises(ValueError, match=rule):
        policy.check(FACTS, ending={"thing.expired.v1"})


def test_an_event_without_a_rule_is_named() -> None:
    policy = Policy.model_validate(written())

    policy.check(FACTS, ending={"thing.expired.v1"})
    with pytest.raises(ValueError, match=r"there is no rule for thing\.made\.v1"):
        policy.check({**FACTS, "thing.made.v1": {}}, ending=())


def test_a_level_inherits_what_it_does_not_say() -> None:
    policy = Policy.model_validate(written())

    high = policy.rule("thing.offered.v1", RiskLevel.HIGH)
    low = policy.rule("thing.offered.v1", RiskLevel.LOW)
    unknown = policy.rule("thing.expired.v1", None)

    assert (high.urgency, high.acknowledge_minutes) == (Urgency.HIGH, 5)
    assert (high.template, high.who, high.chain) == (low.template, low.who, low.chain)
    assert (low.urgency, low.acknowledge_minutes) == (Urgency.NORMAL, 60)
    assert unknown.acknowledge_within is None


def test_a_chain_that_was_dropped_is_replaced() -> None:
    assert POLICY.chain("golden") == POLICY.chain("usual")
    assert POLICY.chain(None) == POLICY.chain("usual")


def test_a_reference_is_short_and_tells_nothing() -> None:
    ids = [notification_id(new_id(), new_id(), "offer") for _ in range(2000)]

    references = {reference_of(each) for each in ids}

    assert len(references) > 1990
    assert all(
        re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}", each)
        for each in references
    )
    assert reference_of(ids[0]) == reference_of(ids[0])


def test_the_same_message_makes_the_same_notification() -> None:
    message_id, worker_id = new_id(), new_id()

    one = notification_id(message_id, worker_id, "offer")

    assert one == notification_id(message_id, worker_id, "offer")
    assert one != notification_id(message_id, new_id(), "offer")
    assert one != notification_id(new_id(), worker_id, "offer")
    assert one != notification_id(message_id, worker_id, "review_due")


def test_the_time_to_acknowledge_counts_from_the_inbox() -> None:
    made = message_to_a_worker(level=RiskLevel.HIGH, at=NOON)

    assert made.ack_by == NOON + 10 * MINUTE
    assert made.due_at == made.ack_by
    assert not made.is_silent(NOON + 9 * MINUTE)
    assert made.is_silent(NOON + 10 * MINUTE)


def test_what_needs_no_acknowledgement_never_falls_due() -> None:
    made = message_to_a_worker(event="allocation.expired.v1")

    assert made.ack_by is None
    assert made.due_at is None
    assert not made.is_silent(NOON + timedelta(days=365))


def test_an_inbox_has_what_is_open_first_and_then_what_is_newest() -> None:
    me = new_id()
    old, new, newest = (
        message_to_a_worker(worker_id=me, at=NOON + each * MINUTE) for each in (0, 1, 2)
    )
    known = newest.acknowledge(me, NOON + 5 * MINUTE)

    placed = sorted([old, new, known], key=lambda each: each.place, reverse=True)

    assert placed == [new, old, known]


def test_everyone_who_is_told_has_it_in_their_inbox() -> None:
    made = message_to_a_worker()
    deputy = new_id()

    told = made.tell(deputy, 1, at=NOON, until=NOON + 15 * MINUTE, mail=False)
    again = told.tell(
        deputy, 1, at=NOON + MINUTE, until=NOON + MINUTE + 15 * MINUTE, mail=False
    )

    assert told.told_workers == [made.worker_id, deputy]
    assert again.told_workers == told.told_workers
    assert [each.worker_id for each in again.told] == [made.worker_id, deputy, deputy]
    assert again.due_at == NOON + 16 * MINUTE


def test_an_acknowledgement_ends_everything() -> None:
    made = message_to_a_worker(mail=True)
    assert made.due_at == NOON

    known = made.acknowledge(made.worker_id, NOON + MINUTE)

    assert known.due_at is None
    assert known.mail_state(0) is None
    assert (known.acknowledged_by, known.acknowledged_at) == (
        made.worker_id,
        NOON + MINUTE,
    )


def test_what_has_ended_is_done_with_and_nobody_has_acknowledged_it() -> None:
    made = message_to_a_worker(mail=True)

    ended = made.end(NOON + MINUTE)

    assert (ended.due_at, ended.escalate_at) == (None, None)
    assert ended.mail_state(0) is None
    assert ended.place < made.place
    assert (ended.ended_at, ended.acknowledged_at) == (NOON + MINUTE, None)
    known = ended.acknowledge(made.worker_id, LATER)
    assert (known.ended_at, known.acknowledged_at) == (NOON + MINUTE, LATER)


def test_the_latest_end_of_an_offer_counts() -> None:
    first = Offer(id=new_id(), version=0, revision=2, ended_at=NOON, answered=False)
    later = Offer(id=first.id, revision=4, ended_at=LATER, answered=True)
    kept = first.model_copy(update={"version": 3})

    assert first.or_later(None) is first
    assert later.or_later(kept) == later.model_copy(update={"version": 3})
    assert first.or_later(later) is later
    assert later.or_later(later) is later


@pytest.mark.parametrize(
    "state", [MailState.CLAIMED, MailState.SENT, MailState.UNKNOWN, MailState.FAILED]
)
def test_an_acknowledgement_does_not_hide_what_went_out(state: MailState) -> None:
    made = message_to_a_worker().with_mail(0, Mail(state=state, due_at=None))

    known = made.acknowledge(made.worker_id, NOON)

    assert known.mail_state(0) is state


def test_nobody_gets_a_second_email_while_the_first_is_on_its_way() -> None:
    made = message_to_a_worker(mail=True)
    again = made.tell(made.worker_id, 3, at=NOON, until=NOON + MINUTE, mail=True)

    gone = again.claim_mail(0, NOON, POLICY.email)
    gone = gone.settle_mail(0, Outcome.SENT, None, NOON, POLICY.email)
    after = gone.tell(made.worker_id, 3, at=NOON, until=NOON + MINUTE, mail=True)

    assert again.mail_state(1) is None
    assert after.mail_state(2) is MailState.WANTED


def test_every_email_has_a_key_of_its_own_that_stays() -> None:
    made = message_to_a_worker(mail=True)

    keys = {each.mail_key(0) for each in (made, made.claim_mail(0, NOON, POLICY.email))}

    assert len(keys) == 1
    assert made.mail_key(1) not in keys


PAUSES = POLICY.email.again_after_minutes


@pytest.mark.parametrize(
    ("outcome", "attempts", "state", "again"),
    [
        (Outcome.SENT, 0, MailState.SENT, None),
        (Outcome.REFUSED, 0, MailState.FAILED, None),
        (Outcome.NOT_TAKEN, 0, MailState.WANTED, PAUSES[0]),
        (Outcome.NOT_TAKEN, 1, MailState.WANTED, PAUSES[1]),
        (Outcome.NOT_TAKEN, len(PAUSES) - 1, MailState.WANTED, PAUSES[-1]),
        (Outcome.NOT_TAKEN, len(PAUSES), MailState.FAILED, None),
        (Outcome.UNKNOWN, 0, MailState.UNKNOWN, PAUSES[0]),
        (Outcome.UNKNOWN, len(PAUSES), MailState.UNKNOWN, None),
    ],
)
def test_an_email_comes_as_far_as_its_attempts(
    outcome: Outcome, attempts: int, state: MailState, again: int | None
) -> None:
    mail = Mail(due_at=NOON, attempts=attempts).claim(NOON, POLICY.email)

    assert (mail.state, mail.due_at) == (MailState.CLAIMED, NOON + 10 * MINUTE)
    settled = mail.settle(outcome, "code", NOON, POLICY.email)

    assert settled.state is state
    assert settled.attempts == attempts + 1
    assert settled.due_at == (NOON + again * MINUTE if again else None)
    assert settled.sent_at == (NOON if outcome is Outcome.SENT else None)
    assert settled.reason == (None if outcome is Outcome.SENT else "code")


Act = Callable[[Notification, datetime], Notification]

ACTS: dict[str, Act] = {
    "tell": lambda held, at: held.tell(
        new_id(), 1, at=at, until=at + MINUTE, mail=True
    ),
    "tell again": lambda held, at: held.tell(
        held.worker_id, 2, at=at, until=at + MINUTE, mail=True
    ),
    "claim": lambda held, at: (
        held
        if (n := held.mail_due(at)) is None
        else held.claim_mail(n, at, POLICY.email)
    ),
    "acknowledge": lambda held, at: held.acknowledge(held.worker_id, at),
    "end": lambda held, at: held if held.ended_at else held.end(at),
    **{
        outcome.value: lambda held, at, outcome=outcome: (  # type: ignore[misc]
            held
            if held.mail_state(0) is not MailState.CLAIMED
            else held.settle_mail(0, outcome, "code", at, POLICY.email)
        )
        for outcome in Outcome
    },
}


@given(st.lists(st.sampled_from(sorted(ACTS)), max_size=30))
def test_a_message_is_never_forgotten_before_it_has_ended(
    steps: list[str],
) -> None:
    held = message_to_a_worker(mail=True)
    ended = False
    for number, step in enumerate(steps):
        if ended and step.startswith("tell"):
            continue
        held = ACTS[step](held, NOON + number * MINUTE)
        ended |= step in {"acknowledge", "end"}

    assert (held.due_at is None) == ended
    assert (held.escalate_at is None) == ended
    assert held.place.startswith("0" if ended else "2")
    assert set(held.told_workers) == {each.worker_id for each in held.told}
    stored = held.model_dump()
    assert Notification.model_validate(stored) == held


@pytest.mark.parametrize("locality", ["canterbury", "waikato"])
def test_no_text_of_a_locality_says_more_than_a_reference_and_a_link(
    locality: str,
) -> None:
    policy = policy_of(Policy, LOCALITIES / locality, "notify")
    wording = Wording(policy, LINK_BASE + "/")
    telling = re.compile(
        r"violen|risk|victim|famil|whānau|harm|safe|child|tamariki|police|court|high"
        r"|extreme|tūkino|patu|tūraru|haumaru",
        re.IGNORECASE,
    )

    for template in policy.templates:
        held = message_to_a_worker().model_copy(update={"template": template})
        letter = wording.letter(held, 0)
        said = letter.subject + letter.text

        assert not telling.search(said), template
        assert letter.text.count(f"{LINK_BASE}/inbox/{held.id}") == len(Language)
        assert held.reference in letter.subject
        assert held.case_id not in said
        assert held.worker_id not in said
        assert "{" not in said

    held = message_to_a_worker()
    several, sms = wording.letter(held, 0, (new_id(),)), wording.short(held, 0)
    assert policy.people
    others = [
        several.subject + several.text,
        sms.subject + sms.text,
        *(wording.shown(held, [each]).text for each in Language),
        *policy.links.text.values(),
        *(text for each in policy.people.texts.values() for text in each.text.values()),
    ]
    for said in others:
        assert not telling.search(said)
        assert held.case_id not in said
        assert held.worker_id not in said


@pytest.mark.parametrize(
    ("preferred", "shown"),
    [
        (["mi"], Language.MAORI),
        (["en"], Language.ENGLISH),
        (["fr", "mi", "en"], Language.MAORI),
        (["fr"], Language.ENGLISH),
        ([], Language.ENGLISH),
    ],
)
def test_a_message_is_shown_in_a_language_that_its_reader_prefers(
    preferred: list[str], shown: Language
) -> None:
    held = message_to_a_worker()
    text = POLICY.templates["offer"][shown].text

    said = Wording(POLICY, LINK_BASE).shown(held, preferred)

    assert said.text == text.replace("{reference}", held.reference).replace(
        "{link}", f"{LINK_BASE}/inbox/{held.id}"
    )


def test_a_template_that_was_dropped_leaves_the_reference() -> None:
    held = message_to_a_worker().model_copy(update={"template": "verse"})

    said = Wording(POLICY, LINK_BASE).shown(held, [])

    assert (said.subject, said.text) == (held.reference, said.link)


def test_a_team_knows_who_leads_it() -> None:
    one, other = new_id(), new_id()
    places = ((one, IVS), (one, LEAD), (other, IVS))

    team = Team(id=new_id()).hear(places, 1, NOON)

    assert team.workers(NOON) == (one, other)
    assert team.having(LEAD, NOON) == (one,)


def test_whoever_joined_later_is_not_told_of_what_was_before() -> None:
    one, other = new_id(), new_id()
    team = Team(id=new_id()).hear([(one, IVS)], 1, NOON)

    team = team.hear([(one, IVS), (other, LEAD)], 2, LATER)

    assert (team.workers(NOON), team.workers(LATER)) == ((one,), (one, other))
    assert (team.having(LEAD, NOON), team.having(LEAD, LATER)) == ((), (other,))


def test_in_whatever_order_a_team_is_heard_of_it_is_the_same() -> None:
    one, other, former = new_id(), new_id(), new_id()
    first = ([(one, IVS), (former, LEAD)], 1, NOON)
    second = ([(one, IVS), (other, LEAD)], 2, LATER)

    in_order = Team(id=new_id()).hear(*first).hear(*second)
    reversed_ = Team(id=in_order.id).hear(*second).hear(*first)

    assert reversed_ == in_order
    assert in_order.workers(NOON) == (one,)
    assert gone([in_order]) == {former}
    assert gone([in_order.hear([], 3, LATER)]) == set()


def test_the_policies_of_both_localities_have_the_same_shape() -> None:
    policies = [
        yaml.safe_load((LOCALITIES / each / "notify.yaml").read_bytes())
        for each in ("canterbury", "waikato")
    ]

    assert policies[0].keys() == policies[1].keys()
    assert policies[0]["rules"].keys() == policies[1]["rules"].keys()
    assert policies[0]["templates"].keys() == policies[1]["templates"].keys()


def test_who_was_taken_off_a_case_for_what_happened_is_told_of_it() -> None:
    one, other, before = new_id(), new_id(), new_id()
    gone = NOON + timedelta(hours=2)
    team = Team(id=new_id()).hear([(before, IVS)], 1, NOON)
    team = team.hear([(one, IVS), (other, LEAD)], 2, NOON + timedelta(hours=1))

    left = team.hear([], 3, gone)

    assert set(left.worked(gone)) == {one, other}
    assert set(team.worked(gone)) == {one, other}
    assert left.workers(gone) == ()
    assert left.worked(gone + timedelta(seconds=1)) == ()
