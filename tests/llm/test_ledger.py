"""The limit holds: alone, among many tasks, among many processes, and over restarts."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autointerp.errors import BudgetError, InputError, LLMError
from autointerp.llm import Budget, Notices, Price, Reply, Request, Usage, open_llms, user
from autointerp.llm._account import Account, Freed
from autointerp.llm._database import Database
from autointerp.llm._ledger import Ledger, Purpose, Worst
from autointerp.llm._prices import PER_DOLLAR
from tests.llm.formats import Said
from tests.llm.running import HASTY, awaited, in_leaps
from tests.llm.wire import Wire, Wrong, some_wrong

CENT = Price(input=PER_DOLLAR // 100, output=PER_DOLLAR // 100, cache_read=0, cache_write=0)
WHY = Purpose("judge", "openai:m", "key", "")


def ledger(database: Database, *, run: str = "run", **limits: int) -> Ledger:
    return Ledger(database, run, Budget(**limits), Notices(lambda text: None))


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("20usd", Budget(20 * PER_DOLLAR)),
        ("$".join(["0.05", ""]), Budget(PER_DOLLAR // 20)),
        ("500ktokens", Budget(tokens=500_000)),
        ("1.5Mtokens, 3 USD", Budget(3 * PER_DOLLAR, 1_500_000)),
        ("7token", Budget(tokens=7)),
    ],
)
def test_budgets_are_read(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@pytest.mark.parametrize("text", ["", "20", "-1usd", "20 euros", "1usd,", "infusd", "1e3usd"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(InputError, match="is no budget"):
        Budget.parse(text)


def test_the_worst_case_is_reserved_and_then_becomes_the_cost() -> None:
    book = ledger(Database(), picodollars=PER_DOLLAR)
    first = book.reserve(WHY, Worst(60, 30), CENT)
    assert first is not None
    with pytest.raises(BudgetError, match=r"up to \$0.2 more would pass the limit of \$1, of which \$0.9 are used"):
        book.reserve(WHY, Worst(10, 10), CENT)
    assert book.settle(first, Usage(input=20, output=10), CENT) == 30 * PER_DOLLAR // 100
    assert book.spent().dollars == 0.3
    assert book.reserve(WHY, Worst(60, 10), CENT) is not None


def test_exactly_the_limit_may_be_spent() -> None:
    book = ledger(Database(), tokens=100)
    assert book.reserve(WHY, Worst(60, 40), None) is not None
    with pytest.raises(BudgetError, match="up to 1 tokens more would pass the limit of 100"):
        book.reserve(WHY, Worst(1, 0), None)


def test_what_is_settled_is_settled() -> None:
    book = ledger(Database())
    number = book.reserve(WHY, Worst(10, 10), CENT)
    assert number is not None
    assert book.settle(number, Usage(input=1, output=1), CENT) is not None
    assert book.settle(number, Usage(input=1, output=1), CENT) is None
    book.lose(number)
    book.release(number)
    assert (book.spent().tokens, book.lost().tokens) == (2, 0)


def test_what_got_lost_counts_with_its_worst_case() -> None:
    book = ledger(Database(), picodollars=PER_DOLLAR)
    number = book.reserve(WHY, Worst(50, 40), CENT)
    assert number is not None
    book.lose(number)
    assert book.lost().dollars == 0.9
    with pytest.raises(BudgetError):
        book.reserve(WHY, Worst(10, 10), CENT)


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    database = Database(tmp_path / "llm.sqlite")
    book = ledger(database, tokens=100)
    number = book.reserve(WHY, Worst(50, 10), None)
    assert number is not None
    book.settle(number, Usage(input=50, output=10), None)
    database.close()
    again = ledger(Database(tmp_path / "llm.sqlite"), tokens=100)
    assert again.spent().tokens == 60
    with pytest.raises(BudgetError):
        again.reserve(WHY, Worst(41, 0), None)
    assert ledger(again.database, run="another", tokens=100).reserve(WHY, Worst(41, 0), None) is not None


def test_a_limit_in_dollars_needs_a_price() -> None:
    book = ledger(Database(), picodollars=PER_DOLLAR)
    with pytest.raises(BudgetError, match=r"no price is known for openai:m.*--prices"):
        book.reserve(WHY, Worst(1, 1), None)


def test_an_unknown_price_is_said_once() -> None:
    said: list[str] = []
    book = Ledger(Database(), "run", Budget(), Notices(said.append))
    for _ in range(3):
        book.reserve(WHY, Worst(1, 1), None)
    assert len(said) == 1
    assert "tokens are counted" in said[0]


Step = st.tuples(
    st.integers(0, 40),
    st.integers(1, 40),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["settle", "lose", "release", "cut"]),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(Step, max_size=40), st.integers(0, 300))
def test_no_mix_of_requests_passes_the_limit(steps: list[tuple[int, int, float, float, str]], limit: int) -> None:
    book = ledger(Database(), tokens=limit)
    freed = Freed()

    def within() -> None:
        # What the provider may have billed at the worst, at every moment.
        assert book.spent().tokens + book.lost().tokens + book.reserved().tokens <= limit

    async def one(prompt: int, output: int, start: float, share: float, end: str) -> str:
        await asyncio.sleep(start)
        account = Account(book, freed, WHY, Worst(prompt, output), None, patience=50.0)
        try:
            await account.open()
        except BudgetError:
            within()
            return "refused"
        within()
        account.sent = end == "cut"
        await asyncio.sleep(share)
        used = Usage(input=int(prompt * share), output=int(output * share))
        {
            "settle": lambda: account.settle(used),
            "lose": account.lose,
            "release": account.release,
            "cut": account.cut_off,
        }[end]()
        within()
        return end

    async def whole() -> list[str]:
        return list(await asyncio.gather(*(one(*step) for step in steps)))

    ends, _ = in_leaps(whole())
    assert book.reserved().requests == 0
    assert book.lost().requests == sum(end in ("lose", "cut") for end in ends)
    assert book.spent().requests == ends.count("settle")
    # Nobody is refused who would have fitted when everybody was done.
    left = limit - book.spent().tokens - book.lost().tokens
    refused = [p + o for (p, o, *_), end in zip(steps, ends, strict=True) if end == "refused"]
    assert all(size > left for size in refused)


@pytest.mark.parametrize("rate", [0.0, 0.3])
@awaited
async def test_the_server_never_works_for_more_than_the_limit(kind: str, rate: float) -> None:
    kinds = [Wrong(500), Wrong(429, after="0.001"), Wrong(cut_body=True), Wrong(broken_json=True)]
    generator = random.Random(5)
    with Wire(
        lambda body: Said("word " * generator.randint(0, 9)), wrong=some_wrong(rate, 3, kinds), latency=0.002
    ) as wire:
        budget = Budget(tokens=8_000)
        async with open_llms(
            {"judge": wire.address(kind)}, budget=budget, patience=HASTY, listener=lambda text: None
        ) as llms:
            replies = await llms["judge"].ask_all([Request((user(f"number {i}"),), max_tokens=64) for i in range(300)])
            assert wire.tally.worked_tokens <= 8_000
            refused = [reply for reply in replies if isinstance(reply, BudgetError)]
            assert refused
            assert all(isinstance(reply, Reply | LLMError) for reply in replies)
            ledger_ = llms.ledger
            assert ledger_.spent().tokens == wire.tally.tokens
            assert ledger_.spent().tokens + ledger_.lost().tokens <= 8_000
            assert ledger_.reserved().requests == 0
            if not rate:  # close to the limit: only what the last worst case might have needed is left over
                assert ledger_.spent().tokens > 7_500


def _spend(path: Path, seed: int) -> tuple[int, int]:
    generator = random.Random(seed)
    book = ledger(Database(path), tokens=2_000)
    granted = refused = 0
    for _ in range(60):
        try:
            number = book.reserve(WHY, Worst(generator.randint(1, 40), 20), None)
        except BudgetError:
            refused += 1
            continue
        assert number is not None
        assert book.spent().tokens + book.reserved().tokens <= 2_000
        book.settle(number, Usage(input=1, output=generator.randint(1, 20)), None)
        granted += 1
    return granted, refused


def test_processes_keep_to_one_limit_together(tmp_path: Path) -> None:
    path = tmp_path / "llm.sqlite"
    with multiprocessing.get_context("forkserver").Pool(4) as pool:
        done = pool.starmap(_spend, [(path, seed) for seed in range(4)])
    book = ledger(Database(path))
    assert book.spent().requests == sum(granted for granted, _ in done)
    assert book.spent().tokens <= 2_000
    assert sum(refused for _, refused in done) > 0


def _die(path: Path) -> None:
    book = ledger(Database(path))
    book.reserve(WHY, Worst(100, 20), None)
    book.reserve(WHY, Worst(7, 3), None, batched=True)


def test_what_a_killed_process_had_under_way_is_lost_and_what_a_batch_holds_is_not(tmp_path: Path) -> None:
    path = tmp_path / "llm.sqlite"
    process = multiprocessing.get_context("forkserver").Process(target=_die, args=(path,))
    process.start()
    process.join()
    book = ledger(Database(path))
    assert book.lost().tokens == 120
    assert book.reserved().tokens == 10


@awaited
async def test_cancelling_counts_what_was_sent(wire: Wire, kind: str) -> None:
    wire.latency = 5.0
    async with open_llms({"judge": wire.address(kind)}, concurrency=2, listener=lambda text: None) as llms:
        tasks = [asyncio.ensure_future(llms["judge"].ask(Request((user(f"{i}"),)))) for i in range(4)]
        while wire.tally.requests < 1:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert llms.ledger.lost().requests == 1  # of two at once, half go in the beginning
        assert llms.ledger.reserved().requests == 0


@awaited
async def test_costs_are_by_role_and_templates_are_named(wire: Wire) -> None:
    roles = {"scientist": wire.address("openai", "gpt-4o"), "judge": wire.address("openai", "gpt-4o")}
    async with open_llms(roles) as llms:
        assert llms["scientist"].line is llms["judge"].line
        first = await llms["scientist"].ask(Request((user("one"),), template="t@1#a"))
        second = await llms["judge"].ask(Request((user("two"),), template="t@1#a"))
        third = await llms["judge"].ask(Request((user("two"),), template="t@1#a"))
        assert (second.cached, third.cached) == (False, True)
        assert third.dollars == 0
        assert third.usage.tokens == 0
        book = llms.ledger
        assert book.spent("judge").tokens == second.usage.tokens
        assert book.spent("scientist").tokens == first.usage.tokens
        expected = 2.5e-6 * first.usage.input + 10e-6 * first.usage.output
        assert first.dollars == pytest.approx(expected, rel=1e-12)
        assert book.templates() == [("t@1#a", 2)]
        assert book.hits == 1
