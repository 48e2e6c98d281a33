"""Keys of machines: what is kept of them, and what checking them costs."""

import asyncio
import time
from collections import Counter

import pytest
from accord_chassis import keys as keys_
from accord_chassis.keys import (
    AT_ONCE,
    FORM,
    HASHER,
    NOBODYS,
    REMEMBERED_SECONDS,
    WAITING,
    HeldKey,
    Keys,
    KeysBusy,
    NewKey,
    WrongKey,
    new_key,
)

UNKNOWN = f"accord_{'a' * 16}_{'b' * 43}"


class Held:
    """The keys that are good now, and how often somebody asked."""

    def __init__(self, *keys: NewKey) -> None:
        self.by_id = {
            each.id: HeldKey(each.hash, f"holder of {each.id}") for each in keys
        }
        self.asked = Counter[str]()

    async def find(self, key_id: str) -> HeldKey[str] | None:
        self.asked[key_id] += 1
        return self.by_id.get(key_id)


def other_secret(made: NewKey) -> str:
    return made.text[:-1] + ("A" if made.text[-1] != "A" else "B")


async def is_wrong(keys: Keys[str], text: str) -> bool:
    try:
        await keys.holder(text)
    except WrongKey:
        return True
    return False


async def test_a_key_tells_its_holder_and_shows_nothing() -> None:
    made = await new_key()
    keys = Keys(Held(made).find)

    assert await keys.holder(made.text) == f"holder of {made.id}"
    assert FORM.fullmatch(made.text)
    assert made.hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    secret = made.text.removeprefix(f"accord_{made.id}_")
    assert secret not in made.hash + repr(made)
    assert made.hash not in repr(HeldKey(made.hash, "holder"))


@pytest.mark.parametrize(
    "text", ["", "accord_", "accord__", UNKNOWN, UNKNOWN + "b", "ÿ" * 60, "a" * 70_000]
)
async def test_what_is_no_key_is_wrong(text: str) -> None:
    assert await is_wrong(Keys(Held().find), text)


async def test_another_secret_or_another_id_is_wrong() -> None:
    made, other = await new_key(), await new_key()
    keys = Keys(Held(made, other).find)
    await keys.holder(made.text)

    assert await is_wrong(keys, other_secret(made))
    assert await is_wrong(keys, made.text.replace(made.id, other.id))


async def test_a_right_key_is_compared_once_and_looked_up_every_time() -> None:
    made = await new_key()
    held = Held(made)
    keys = Recording(held)

    for _ in range(50):
        await keys.holder(made.text)

    assert (keys.compared, held.asked[made.id]) == ([made.hash], 50)


async def test_a_key_is_good_no_longer_than_its_register_says() -> None:
    made = await new_key()
    held = Held(made)
    keys = Keys(held.find)
    await keys.holder(made.text)

    held.by_id.clear()

    assert await is_wrong(keys, made.text)


async def test_a_key_that_was_made_anew_opens_nothing_with_the_old_secret() -> None:
    made, again = await new_key(), await new_key()
    held = Held(made)
    keys = Keys(held.find)
    await keys.holder(made.text)

    held.by_id[made.id] = HeldKey(again.hash, "somebody else")

    assert await is_wrong(keys, made.text)


async def test_that_a_key_is_right_is_remembered_for_half_a_minute() -> None:
    made = await new_key()
    keys = Keys(Held(made).find)
    await keys.holder(made.text)

    [until] = keys._right.values()
    left = until - time.monotonic()

    assert REMEMBERED_SECONDS - 5 < left <= REMEMBERED_SECONDS == 30


async def test_an_unknown_id_costs_what_a_wrong_secret_costs() -> None:
    made = await new_key()
    assert not HASHER.check_needs_rehash(NOBODYS)
    assert not HASHER.check_needs_rehash(made.hash)

    keys = Recording(Held(made))
    assert await is_wrong(keys, UNKNOWN)
    assert await is_wrong(keys, other_secret(made))

    assert keys.compared == [NOBODYS, made.hash]


class Recording(Keys[str]):
    """Remembers what was compared with."""

    def __init__(self, held: Held) -> None:
        super().__init__(held.find)
        self.compared: list[str] = []

    async def _compare(self, text: str, kept: str) -> bool:
        self.compared.append(kept)
        return await super()._compare(text, kept)


def guess(number: int) -> str:
    return f"accord_{'a' * 16}_{number:043}"


async def test_guessing_takes_two_comparisons_at_a_time_and_no_more_wait() -> None:
    made = await new_key()
    keys = Keys(Held(made).find)
    guesses = (keys.holder(guess(each)) for each in range(WAITING + 8))

    outcomes = await asyncio.gather(*guesses, return_exceptions=True)

    assert Counter(map(type, outcomes)) == {WrongKey: WAITING, KeysBusy: 8}
    assert keys._turns._value == AT_ONCE == 2
    assert await keys.holder(made.text)


async def test_a_third_comparison_waits_for_one_of_two() -> None:
    made = await new_key()
    keys = Keys(Held(made).find)
    await keys._turns.acquire()
    await keys._turns.acquire()

    third = asyncio.ensure_future(keys.holder(made.text))
    assert not (await asyncio.wait({third}, timeout=0.2))[0]

    keys._turns.release()
    assert await third


async def test_a_key_that_is_known_is_let_in_while_others_guess() -> None:
    made = await new_key()
    keys = Keys(Held(made).find)
    await keys.holder(made.text)
    guesses = asyncio.gather(*(is_wrong(keys, guess(each)) for each in range(WAITING)))
    await asyncio.sleep(0)

    assert await keys.holder(made.text)

    assert not guesses.done()
    assert all(await guesses)


async def test_many_requests_with_one_key_compare_it_once() -> None:
    made = await new_key()
    keys = Recording(Held(made))

    await asyncio.gather(*(keys.holder(made.text) for _ in range(100)))

    assert keys.compared == [made.hash]
    assert not keys._comparing


async def test_what_is_remembered_of_keys_has_an_end() -> None:
    made = await new_key()
    keys = Keys(Held(made).find)
    keys._right = {
        (bytes([n % 256, n // 256]), "x"): time.monotonic() + 30
        for n in range(keys_.REMEMBERED)
    }

    await keys.holder(made.text)

    assert len(keys._right) == 1
